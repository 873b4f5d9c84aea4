import { ConfigError } from '#platform/config.ts'
import { checkVerb } from './cli/check.ts'
import { UsageError, type Verb } from './cli/command.ts'
import { deadLettersVerb } from './cli/dead-letters.ts'
import { demoVerb } from './cli/demo.ts'
import { doctorVerb } from './cli/doctor.ts'
import { exportVerb } from './cli/export.ts'
import { hotFolderVerb } from './cli/hot-folder.ts'
import { importVerb } from './cli/import.ts'
import { benchVerb } from './cli/bench.ts'
import { migrateVerb } from './cli/migrate.ts'
import { rebuildVerb } from './cli/rebuild.ts'
import { sandboxVerb } from './cli/sandbox.ts'
import { startVerb } from './cli/start.ts'

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

async function main(words: readonly string[]): Promise<number> {
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

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError || error instanceof ConfigError)) throw error
  process.stderr.write(`throughline: ${error.message}\n`)
  process.exitCode = 2
}
