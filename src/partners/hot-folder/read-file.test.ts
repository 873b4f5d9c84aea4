import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { columns } from './columns.ts'
import { layoutOf } from './columns.ts'
import { formatOf, inspectFile, readRows, type Row } from './read-file.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'throughline-read-file-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const required = columns.filter((column) => column.required).map(({ name }) => name)
const header = (separator: string) => required.join(separator)
const line = (separator: string, first = 'A-1') => [first, ...required.slice(1).map(() => 'x')].join(separator)
const put = async (content: string | Buffer, name = 'orders.tsv'): Promise<string> => {
  await writeFile(join(folder, name), content)
  return join(folder, name)
}
const inspect = async (content: string | Buffer, format: 'tsv' | 'csv' = 'tsv') => {
  const found = await inspectFile(await put(content), format, layoutOf)
  return found.ok ? found.value : found.error
}

describe('a file of orders', () => {
  it('is told by its name: hidden files and other endings are not ours', () => {
    const names = ['a.tsv', 'a.CSV', '.a.tsv', 'a.tsv.tmp', 'a.txt', 'tsv', '.tsv']
    expect(names.map(formatOf)).toEqual(['tsv', 'csv', undefined, undefined, undefined, undefined, undefined])
  })

  it('is read with or without a byte order mark, with either kind of line end, and named by its content', async () => {
    const plain = await inspect(`${header('\t')}\n${line('\t')}\n`)
    expect(plain).toMatchObject({ rows: 1, layout: { width: required.length } })
    expect(await inspect(`\uFEFF${header('\t')}\r\n${line('\t')}\r\n`)).toMatchObject({ rows: 1 })
    const path = await put(`${header('\t')}\n${line('\t')}\n`, 'other-name.tsv')
    expect(await inspectFile(path, 'tsv', layoutOf)).toEqual({ ok: true, value: plain })
  })

  it('may quote as RFC 4180 says: separators, line ends and quotes inside of a cell, and tells the line of each row', async () => {
    const quoted = 'one, two\nand "three"'
    const path = await put(`${header(',')}\n${line(',', `"${quoted.replaceAll('"', '""')}"`)}\n${line(',')}\n`, 'quoted.csv')
    const rows: Row[] = []
    for await (const row of readRows(path, 'csv')) rows.push(row)
    expect(rows.map((row) => [row.line, row.cells[0]])).toEqual([
      [1, 'reference'],
      [3, quoted],
      [4, 'A-1'],
    ])
  })

  it.each([
    ['hot_folder.empty', ''],
    ['hot_folder.missing_column', `${required.filter((name) => name !== 'sku').join('\t')}\n`, 'sku'],
    ['hot_folder.unknown_column', `${header('\t')}\tcolour\n`, 'colour'],
    ['hot_folder.column_twice', `${header('\t')}\tsku\n`, 'sku'],
    ['hot_folder.bad_separator', `${header(';')}\n`],
    ['hot_folder.bad_structure', `${header('\t')}\n"never closed\t${line('\t')}\n`],
    ['hot_folder.torn', `${header('\t')}\n${line('\t')}\n${line('\t').slice(0, 6)}`],
  ])('is refused as a whole with %s', async (code, content, field?: string) => {
    expect(await inspect(content)).toMatchObject({ code, ...(field === undefined ? {} : { field }) })
  })

  it('that is not UTF-8 is refused with the line, wherever the chunks end', async () => {
    const filler = `${line('\t', 'Ä'.repeat(1_000))}\n`
    for (const lines of [1, 300]) {
      const good = Buffer.from(`${header('\t')}\n${filler.repeat(lines)}`)
      expect(await inspect(good)).toMatchObject({ rows: lines })
      const latin = Buffer.concat([good, Buffer.from(line('\t', 'Käse'), 'latin1'), Buffer.from('\n')])
      expect(await inspect(latin)).toMatchObject({ code: 'hot_folder.not_utf8', detail: expect.stringContaining(`Line ${lines + 2} `) })
    }
    expect(await inspect(Buffer.from(`\uFEFF${header('\t')}\n`, 'utf16le'))).toMatchObject({ detail: expect.stringContaining('UTF-16') })
    expect(await inspect(Buffer.from(`${header('\t')}\n`, 'utf16le'))).toMatchObject({ code: 'hot_folder.not_utf8' })
    expect(await inspect(Buffer.concat([Buffer.from(`${header('\t')}\n`), Buffer.from([0xc3])]))).toMatchObject({
      code: 'hot_folder.not_utf8',
    })
  })

  it('with one record that never ends does not fill the memory', async () => {
    const endless = Buffer.concat([Buffer.from(`${header('\t')}\n"`), Buffer.alloc(4 << 20, 'x')])
    expect(await inspect(endless)).toMatchObject({ code: 'hot_folder.bad_structure' })
  })
})
