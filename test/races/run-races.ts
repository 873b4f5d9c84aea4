import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Finding } from '#test/races.ts'

// npm run races -- --seed N --rounds N [--only NAME]. A table and, last, one line of JSON; exit code 1 when any count is off.
const { values } = parseArgs({
  options: { seed: { type: 'string' }, rounds: { type: 'string', default: '200' }, only: { type: 'string', default: '' } },
})
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e6))
const rounds = Number(values.rounds)
if (!Number.isSafeInteger(rounds) || rounds < 1 || !Number.isSafeInteger(seed)) throw new Error('--rounds and --seed are whole numbers')

const root = join(import.meta.dirname, '../..')
const folder = await mkdtemp(join(tmpdir(), 'throughline-races-'))
const findings = join(folder, 'findings')
try {
  process.stderr.write(`seed ${seed}, ${rounds} rounds\n`)
  // The rigs take their databases from vitest's set-up: the scenarios run beneath it, and it talks to standard error.
  // One file after the other: the seconds of one scenario should not be those of its neighbour.
  const words = ['run', 'test/races', 'src/payments/race-scenarios', '--no-file-parallelism']
  if (values.only !== '') words.push('-t', `\\(${values.only}, `)
  const child = spawn(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...words], {
    cwd: root,
    env: { ...process.env, RACES_SEED: String(seed), RACES_ROUNDS: String(rounds), RACES_FINDINGS: findings },
    stdio: ['ignore', 2, 2],
  })
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve))
  const lines = (await readFile(findings, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '')
  const all = lines.map((line) => JSON.parse(line) as Finding & { name: string; seconds: number })
  process.stdout.write(
    `\n${'scenario'.padEnd(22)}${'rounds'.padStart(8)}  ${'counted'.padEnd(34)}${'seen'.padStart(8)}  must be${'s'.padStart(8)}\n`,
  )
  for (const finding of all) {
    for (const [index, [what, count]] of Object.entries(finding.counts).entries()) {
      const head = index === 0 ? finding.name.padEnd(22) + String(finding.rounds).padStart(8) : ''.padEnd(30)
      const tail = index === 0 ? finding.seconds.toFixed(1).padStart(8) : ''
      process.stdout.write(`${head}  ${what.padEnd(34)}${String(count).padStart(8)}        0${tail}\n`)
    }
  }
  const figures = Object.fromEntries(all.map((each) => [each.name, { rounds: each.rounds, seconds: each.seconds, ...each.figures }]))
  const counts = Object.fromEntries(all.map((each) => [each.name, each.counts]))
  process.stdout.write(`\n${JSON.stringify({ races: all.map(({ name }) => name), seed, figures, counts })}\n`)
  const areOff = all.some((each) => Object.values(each.counts).some((count) => count !== 0))
  process.exitCode = code === 0 && all.length > 0 && !areOff ? 0 : 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
