import { ConfigError } from '#platform/config.ts'
import { archiveVerb } from './archive.ts'
import { checkVerb } from './check.ts'
import { UsageError, type Verb } from './command.ts'
import { deadLettersVerb } from './dead-letters.ts'
import { demoVerb } from './demo.ts'
import { doctorVerb } from './doctor.ts'
import { exportVerb } from './export.ts'
import { hotFolderVerb } from './hot-folder.ts'
import { importVerb } from './import.ts'
import { benchVerb } from './bench.ts'
import { migrateVerb } from './migrate.ts'
import { rebuildVerb } from './rebuild.ts'
import { sandboxVerb } from './sandbox.ts'
import { startVerb } from './start.ts'

const verbs: readonly Verb[] = [
  startVerb,
  migrateVerb,
  demoVerb,
  importVerb,
  hotFolderVerb,
  deadLettersVerb,
  checkVerb,
  exportVerb,
  rebuildVerb,
  archiveVerb,
  sandboxVerb,
  doctorVerb,
  benchVerb,
]

function help(): string {
  const width = Math.max(...verbs.map(({ name }) => name.length))
  return [
    'throughline: orders from checkout to the doorstep',
    '',
    ...verbs.map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`),
    '',
    'throughline VERB --help tells more of one. Each takes --json and then ends with one line of JSON.',
  ].join('\n')
}

async function run(words: readonly string[]): Promise<number> {
  const [name, ...rest] = words
  if (name === undefined || name === '--help' || name === 'help') {
    process.stdout.write(`${help()}\n`)
    return name === undefined ? 2 : 0
  }
  const verb = verbs.find((candidate) => candidate.name === name)
  if (verb === undefined) throw new UsageError(`there is no verb "${name}"\n\n${help()}`)
  if (rest.includes('--help')) {
    process.stdout.write(`${verb.about}\n\n${verb.usage}\n`)
    return 0
  }
  return verb.run(rest)
}

/** Runs the verb that the words of a command line name. Gives the exit code: 2 for a mistake in the call. */
export async function runVerb(words: readonly string[]): Promise<number> {
  try {
    return await run(words)
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof ConfigError)) throw error
    process.stderr.write(`throughline: ${error.message}\n`)
    return 2
  }
}
