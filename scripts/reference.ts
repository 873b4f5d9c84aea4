import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { openApiOf } from '#platform/openapi.ts'
import { version } from '../src/server.ts'
import { apiPage } from './reference/api.ts'
import { asyncApiOf } from './reference/asyncapi.ts'
import { carrierCodesPage } from './reference/carrier-codes.ts'
import { errorsPage } from './reference/errors.ts'
import { eventsPage } from './reference/events.ts'
import { factsPage } from './reference/facts.ts'
import { fmsFilesPage } from './reference/fms-files.ts'
import { hotFolderPage } from './reference/hot-folder.ts'
import { openHouse } from './reference/house.ts'
import { lifeCyclesPage } from './reference/life-cycles.ts'
import { metricsPage } from './reference/measures.ts'
import { sandboxPage } from './reference/sandbox.ts'
import { configurationPage } from './reference/settings.ts'
import { readSources, root } from './reference/sources.ts'

/**
 * Writes docs/reference from the code; no database, no server. `--check` writes nothing and fails where a page is not what the
 * code says. `--folder DIR` instead of docs/reference.
 */
const words = process.argv.slice(2)
const at = words.indexOf('--folder')
const folder = at === -1 ? join(root, 'docs/reference') : resolve(words[at + 1] ?? '')

const pages = await makePages()
if (words.includes('--check')) check()
else write()

async function makePages(): Promise<Map<string, string>> {
  const { operations, consumers } = openHouse()
  const sources = readSources()
  const made = {
    'api.md': apiPage(operations),
    'errors.md': errorsPage(operations, sources),
    'events.md': eventsPage(consumers, sources),
    'facts.md': factsPage(),
    'life-cycles.md': lifeCyclesPage(sources),
    'configuration.md': configurationPage(),
    'metrics.md': await metricsPage(sources),
    'sandbox-gateway.md': sandboxPage(),
    'hot-folder.md': hotFolderPage(),
    'carrier-codes.md': carrierCodesPage(),
    'fms-files.md': fmsFilesPage(),
  }
  const note = '<!-- Made by scripts/reference.ts from the code: `npm run -s reference` writes it anew. -->\n\n'
  return new Map([
    ...Object.entries(made).map(([name, text]): [string, string] => [name, note + text]),
    ['openapi.json', `${JSON.stringify(openApiOf(operations, version, '/'), null, 2)}\n`],
    ['asyncapi.json', `${JSON.stringify(asyncApiOf(operations, version), null, 2)}\n`],
  ])
}

function write(): void {
  mkdirSync(folder, { recursive: true })
  for (const name of stray()) rmSync(join(folder, name))
  for (const [name, text] of pages) writeFileSync(join(folder, name), text)
  console.log(`${pages.size} pages written to ${relative(process.cwd(), folder) || '.'}`)
}

function check(): void {
  const problems = [
    ...stray().map((name) => `${name} is not made by scripts/reference.ts: put it elsewhere`),
    ...[...pages].flatMap(([name, text]) => {
      const found = read(name)
      return found === text
        ? []
        : [`${name} ${found === undefined ? 'is missing' : `is not what the code says, from line ${firstDifference(found, text)}`}`]
    }),
  ]
  for (const problem of problems) console.log(problem)
  if (problems.length > 0) console.log('`npm run -s reference` writes them anew.')
  process.exitCode = problems.length === 0 ? 0 : 1
}

function stray(): string[] {
  return listed().filter((name) => !pages.has(name))
}

function listed(): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function read(name: string): string | undefined {
  try {
    // A checkout on Windows may have other line ends.
    return readFileSync(join(folder, name), 'utf8').replaceAll('\r\n', '\n')
  } catch {
    return undefined
  }
}

function firstDifference(found: string, wanted: string): number {
  const lines = wanted.split('\n')
  return found.split('\n').findIndex((line, index) => line !== lines[index]) + 1
}
