import { createReadStream } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { SandboxLogLine } from './sandbox-partner.ts'

export interface LogFile {
  keep(line: SandboxLogLine): Promise<void>
  close(): Promise<void>
}

const pathOf = (folder: string, partner: string): string => join(folder, `${partner}.jsonl`)

/** The log of a sandbox partner, a line of JSON for each message; whoever holds it against the database reads it from there. */
export async function openLogFile(folder: string, partner: string): Promise<LogFile> {
  await mkdir(folder, { recursive: true })
  const file = await open(pathOf(folder, partner), 'a')
  return {
    async keep(line) {
      await file.appendFile(`${JSON.stringify(line)}\n`)
    },
    close: () => file.close(),
  }
}

/** The lines of a partner's log, one at a time; none where it keeps none. The last may be torn, where its writer was killed. */
export async function* readLog(folder: string, partner: string): AsyncGenerator<SandboxLogLine> {
  const source = createReadStream(pathOf(folder, partner), 'utf8')
  try {
    for await (const line of createInterface({ input: source })) {
      try {
        yield JSON.parse(line) as SandboxLogLine
      } catch {
        // Its message was not acknowledged, so it came again and has a line of its own.
      }
    }
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error
  }
}
