import { type ChildProcess, spawn } from 'node:child_process'
import { join, resolve } from 'node:path'

/**
 * `npm run check`: everything that can be said about the code without running it, two at a time, one line a check.
 * `--json` ends with one line of JSON; names as arguments run only those.
 */
interface Check {
  readonly name: string
  readonly about: string
  readonly command: readonly string[]
}

const root = join(import.meta.dirname, '..')

// The slowest first, so that the last to end is a short one.
const checks: readonly Check[] = [
  { name: 'lint', about: 'oxlint, with types', command: ['oxlint', '--type-aware', '--quiet'] },
  { name: 'types', about: 'TypeScript, strict', command: ['tsc', '-p', 'tsconfig.json'] },
  {
    name: 'walls',
    about: 'tidy/, each wall with a fixture that breaks it',
    command: ['vitest', 'run', '--config', 'tidy/vitest.config.ts'],
  },
  { name: 'dead code', about: 'knip', command: ['knip', '--no-progress'] },
  { name: 'format', about: 'Biome', command: ['biome', 'check', '.'] },
  { name: 'reference', about: 'docs/reference says what the code says', command: [process.execPath, 'scripts/reference.ts', '--check'] },
  { name: 'migrations', about: 'squawk', command: ['squawk', 'migrations/*/*.sql'] },
]

interface Result {
  readonly check: string
  readonly ok: boolean
  readonly seconds: number
}

const asked = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const unknown = asked.filter((name) => !checks.some((check) => check.name === name))
if (unknown.length > 0) {
  console.error(`no check is named ${unknown.join(', ')}; there are: ${checks.map((check) => check.name).join(', ')}`)
  process.exit(2)
}
const chosen = checks.filter((check) => asked.length === 0 || asked.includes(check.name))
const results = await runTwoAtATime(chosen)
const failed = results.filter((result) => !result.ok).length
console.log(failed === 0 ? `All ${results.length} checks hold.` : `${failed} of ${results.length} checks failed.`)
if (process.argv.includes('--json')) console.log(JSON.stringify({ checks: results, failed }))
process.exitCode = failed === 0 ? 0 : 1

async function runTwoAtATime(queue: readonly Check[]): Promise<Result[]> {
  const waiting = [...queue]
  const done: Result[] = []
  const lane = async () => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) done.push(await run(check))
  }
  await Promise.all([lane(), lane()])
  return done
}

async function run(check: Check): Promise<Result> {
  const started = performance.now()
  const [program = '', ...rest] = check.command
  // A program of node_modules by its name; Node itself by its path, since not every machine has it as a package.
  const child = spawn(resolve(root, 'node_modules/.bin', program), rest, {
    cwd: root,
    env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`, NO_COLOR: '1', FORCE_COLOR: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = collect(child)
  const code = await new Promise<number>((ended) => {
    child.once('error', () => ended(127))
    child.once('close', (status) => ended(status ?? 1))
  })
  const seconds = (performance.now() - started) / 1000
  console.log(`${code === 0 ? 'ok  ' : 'FAIL'}  ${check.name.padEnd(10)}  ${seconds.toFixed(1).padStart(5)} s  ${check.about}`)
  if (code !== 0) console.log(output().trimEnd().replaceAll(/^/gm, '      '))
  return { check: check.name, ok: code === 0, seconds: Math.round(seconds * 10) / 10 }
}

function collect(child: ChildProcess): () => string {
  const chunks: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString()
}
