import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { SettlementFile } from '#payments'
import { type FileKind, fileKind, outcomeLine } from './file-kind.ts'
import { formatOf } from './read-file.ts'
import { runAgain, Stopped } from './run-again.ts'

interface Settlement extends SettlementFile {
  readonly hash: string
  readonly gateway: string
}

/** A reader takes the file as one text; a day of 60,000 orders is about 10 MB. */
const largestBytes = 128 << 20
const linesAtOnce = 1_000

/** `GATEWAY.anything.csv`: gateways do not say in the file who they are. */
export const gatewayOf = (name: string): string => name.split('.')[0] ?? ''

/** Settlement files of gateways, read by the gateway's own reader. What can not be read is a line with its problem; the rest goes on. */
export function settlementFiles(readers: ReadonlyMap<string, (file: string) => SettlementFile>): FileKind {
  return fileKind<Settlement>({
    folder: 'settlement',
    of: 'settlement lines',
    scopes: ['settlement:write'],
    outcomeHeader: ['line', 'gatewayRef', 'outcome', 'subject', 'code', 'field', 'sentence'],
    // A line is named by its file and its number, for ever.
    resumeWithinMs: Number.POSITIVE_INFINITY,
    takes: (name) => formatOf(name) !== undefined,
    async inspect(path, name): Promise<Outcome<Settlement>> {
      const gateway = gatewayOf(name)
      const read = readers.get(gateway)
      if (read === undefined)
        return refused(
          'hot_folder.unknown_gateway',
          `The name begins with the gateway and a dot, such as ${[...readers.keys()][0] ?? 'gateway'}.${name}; gateways that send files are ${[...readers.keys()].join(', ')}.`,
          gateway,
        )
      if ((await stat(path)).size > largestBytes) return refused('hot_folder.too_large', `The file has more than ${largestBytes} bytes.`)
      const bytes = await readFile(path)
      const bad = notUtf8(bytes)
      if (bad !== undefined) return refused('hot_folder.not_utf8', `Line ${bad} is not UTF-8; save the file as UTF-8.`)
      try {
        return accepted({
          ...read(bytes.toString('utf8')),
          gateway,
          hash: createHash('sha256').update(gateway).update(bytes).digest('hex'),
        })
      } catch (error) {
        return refused('hot_folder.bad_structure', error instanceof Error ? error.message : String(error))
      }
    },
    async import({ inspected, context, outcomes, runner, stop }) {
      const { gateway, hash: fileHash, batch, lines, problems } = inspected
      const sum = { placed: 0, refused: problems.length, lines: lines.length + problems.length }
      await outcomes.appendFile(
        problems.map(({ line, problem }) => outcomeLine([line, '', 'refused', '', 'hot_folder.bad_line', '', problem])).join(''),
      )
      try {
        for (let from = 0; from < lines.length; from += linesAtOnce) {
          if (stop.aborted) return { ...sum, complete: false }
          const some = lines.slice(from, from + linesAtOnce)
          const calls = some.map((line) => ({ context, input: { ...line, gateway, fileHash, batch } }))
          const settled = await runAgain('payments.settle_line', calls, { runner, stop })
          const written = some.map(({ line, gatewayRef }, at) => {
            const outcome = settled[at] as Outcome<unknown>
            if (!outcome.ok) {
              sum.refused += 1
              const { code, field = '', detail } = outcome.error
              return outcomeLine([line, gatewayRef, 'refused', '', code, field.replace(/^\//, ''), detail])
            }
            const value = outcome.value as {
              outcome: string
              subjectKind: string | null
              subjectId: number | null
              heldMinor: number | null
            }
            const isFine = value.outcome === 'matched' || value.outcome === 'fee'
            sum[isFine ? 'placed' : 'refused'] += 1
            const subject = value.subjectKind === null ? '' : `${value.subjectKind} ${value.subjectId}`
            return outcomeLine([line, gatewayRef, value.outcome, subject, '', '', isFine ? '' : sentenceOf(value)])
          })
          await outcomes.appendFile(written.join(''))
        }
      } catch (error) {
        if (error instanceof Stopped) return { ...sum, complete: false }
        throw error
      }
      return { ...sum, complete: true }
    },
  })
}

function sentenceOf({ outcome, heldMinor }: { readonly outcome: string; readonly heldMinor: number | null }): string {
  if (outcome === 'amount_differs')
    return heldMinor === null ? 'We hold another amount or currency.' : `We hold ${heldMinor} minor units of it.`
  if (outcome === 'doubled') return 'Another line has settled it.'
  return outcome === 'not_done' ? 'We do not hold it as done.' : 'It is nothing of ours.'
}

/** The first line that is not UTF-8. */
function notUtf8(bytes: Buffer): number | undefined {
  if (isUtf8(bytes)) return undefined
  let line = 1
  for (let from = 0; from < bytes.length; line += 1) {
    const end = bytes.indexOf(10, from)
    if (!isUtf8(bytes.subarray(from, end === -1 ? bytes.length : end))) return line
    from = end === -1 ? bytes.length : end + 1
  }
  return line
}
