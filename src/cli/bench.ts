import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError, type Verb } from './command.ts'

const folder = join(import.meta.dirname, '../../bench')
const names = (): string[] => (existsSync(folder) ? readdirSync(folder).flatMap((file) => /^(.+)\.bench\.ts$/.exec(file)?.[1] ?? []) : [])

export const benchVerb: Verb = {
  name: 'bench',
  about: `measure: ${names().join(', ')}`,
  usage: 'throughline bench NAME [--seconds N] [--json]\n  Prints a table and, last, one line of JSON {bench, figures, counts}.',
  run(words) {
    const [name, ...rest] = words
    if (name === undefined || !names().includes(name)) throw new UsageError(`bench needs one of these names: ${names().join(', ')}`)
    // A process of its own: a benchmark must not share its heap and its event loop with the command line. With the server's flag: a full collection
    // of whoever measures is a wait that the server is blamed for.
    const child = spawn(process.execPath, ['--no-allocation-site-pretenuring', join(folder, `${name}.bench.ts`), ...rest], {
      stdio: 'inherit',
    })
    return new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code) => resolve(code ?? 1))
    })
  },
}
