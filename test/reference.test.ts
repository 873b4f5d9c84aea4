import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'

const run = promisify(execFile)
const script = join(import.meta.dirname, '../scripts/reference.ts')

// One test, since each run of the script opens the whole house.
test('a reference holds as written, and each page that is changed, missing or made by hand is named', { timeout: 180_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'throughline-reference-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const check = (): Promise<string> =>
    run(process.execPath, [script, '--check', '--folder', folder]).then(
      () => 'holds',
      ({ stdout }: { stdout: string }) => stdout,
    )

  await run(process.execPath, [script, '--folder', folder])
  expect(await check()).toBe('holds')

  const events = join(folder, 'events.md')
  const lines = (await readFile(events, 'utf8')).split('\n')
  lines[9] = 'Events are told by pigeon.'
  await writeFile(events, lines.join('\n'))
  await rm(join(folder, 'api.md'))
  await writeFile(join(folder, 'thoughts.md'), 'by hand')
  const said = await check()
  expect(said).toContain('events.md is not what the code says, from line 10')
  expect(said).toContain('api.md is missing')
  expect(said).toContain('thoughts.md is not made by')
})
