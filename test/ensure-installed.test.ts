import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

let root: string

// A project of three packages beside a copy of the script, and an npm that only notes how it was called.
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'throughline-install-'))
  mkdirSync(join(root, 'scripts'))
  mkdirSync(join(root, 'node_modules'))
  cpSync(join(import.meta.dirname, '../scripts/ensure-installed.mjs'), join(root, 'scripts/ensure-installed.mjs'))
  lock('package-lock.json', '2.0.0')
  writeFileSync(
    join(root, 'npm.js'),
    `require('node:fs').writeFileSync(${JSON.stringify(join(root, 'called'))}, process.argv.slice(2).join(' '))`,
  )
})
afterEach(() => rmSync(root, { recursive: true }))

function lock(file: string, version: string, others: Record<string, object> = { elsewhere: { version: '1.0.0', optional: true } }): void {
  const entries = Object.entries(others).map(([name, entry]) => [`node_modules/${name}`, entry])
  const packages = { '': { name: 'project' }, 'node_modules/needed': { version }, ...Object.fromEntries(entries) }
  writeFileSync(join(root, file), JSON.stringify({ lockfileVersion: 3, packages }))
}

function run(event = 'prestart', node = process.execPath): { status: number | null; said: string; called: string | undefined; ms: number } {
  const started = performance.now()
  const result = spawnSync(node, [join(root, 'scripts/ensure-installed.mjs')], {
    encoding: 'utf8',
    env: { ...process.env, npm_execpath: join(root, 'npm.js'), npm_lifecycle_event: event },
  })
  const called = existsSync(join(root, 'called')) ? readFileSync(join(root, 'called'), 'utf8') : undefined
  return { status: result.status, said: result.stderr, called, ms: performance.now() - started }
}

test('what is installed as the lock says is left alone, in silence', () => {
  lock('node_modules/.package-lock.json', '2.0.0', {})
  expect(run()).toMatchObject({ status: 0, said: '', called: undefined })
})

test('where nothing is installed it installs and says so in one line', () => {
  rmSync(join(root, 'node_modules'), { recursive: true })
  const { status, said, called } = run()
  expect(status).toBe(0)
  expect(said.trim()).toBe('Installing dependencies (nothing is installed yet) …')
  expect(called).toBe('ci --loglevel=error --no-audit --no-fund')
})

test('a package of another version than the locked one is reason to install', () => {
  lock('node_modules/.package-lock.json', '1.9.0', {})
  expect(run().said).toContain('needed is not the locked version')
})

test('packages for development are needed by checks and tests, not by a start', () => {
  lock('package-lock.json', '2.0.0', { tool: { version: '1.0.0', dev: true } })
  lock('node_modules/.package-lock.json', '2.0.0', {})
  expect(run('prestart').called).toBeUndefined()
  expect(run('pretest').called).toContain('--include=dev')
})

test('a lock that lacks packages of other platforms is kept to as far as it goes', () => {
  lock('package-lock.json', '2.0.0', { tool: { version: '1.0.0', optionalDependencies: { 'tool-for-another-system': '1.0.0' } } })
  rmSync(join(root, 'node_modules'), { recursive: true })
  expect(run().called).toBe('install --no-save --loglevel=error --no-audit --no-fund')
})

test('where `npm ci` refuses, `npm install` gets its turn', () => {
  rmSync(join(root, 'node_modules'), { recursive: true })
  const note = `require('node:fs').writeFileSync(${JSON.stringify(join(root, 'called'))}, process.argv[2])`
  writeFileSync(join(root, 'npm.js'), `${note}; process.exit(process.argv[2] === 'ci' ? 1 : 0)`)
  expect(run()).toMatchObject({ status: 0, called: 'install' })
})

test('a failed installation ends with a sentence and not with success', () => {
  rmSync(join(root, 'node_modules'), { recursive: true })
  writeFileSync(join(root, 'npm.js'), 'process.exit(7)')
  const { status, said } = run()
  expect(status).toBe(1)
  expect(said).toContain('npm ended with 7')
})

test('a Node that is too old is told where to get a newer one', () => {
  lock('node_modules/.package-lock.json', '2.0.0', {})
  // The same script on a Node that calls itself 20, and without the package that carries Node 24.
  const script = join(root, 'scripts/ensure-installed.mjs')
  writeFileSync(join(root, 'old.mjs'), `Object.defineProperty(process.versions, 'node', { value: '20.1.0' })`)
  const result = spawnSync(process.execPath, ['--import', join(root, 'old.mjs'), script], { encoding: 'utf8' })
  expect(result.status).toBe(1)
  expect(result.stderr).toContain('Throughline needs Node.js 24 or newer')
})
