import { type Break, breakAt, memberOf, nameOf, isNode, type Source, type Wall, walk } from './source.ts'

/** The one place where the machine's clock comes in. */
const clockFile = 'src/kernel/time.ts'

// performance.now is not among them: it measures how long something took and never becomes a date.
const impure = new Set(['Date.now', 'Math.random', 'crypto.randomUUID', 'crypto.getRandomValues', 'process.env', 'process.hrtime'])
const impureImports = new Set(['randomUUID', 'randomBytes', 'randomInt', 'hrtime'])

function impurities(source: Source): Break[] {
  const broken: Break[] = []
  const add = (at: number, what: string) =>
    broken.push(breakAt(source, at, `${what}: clock, chance and settings are passed in (context.now, deps)`))
  walk(source.program, (node) => {
    const member = memberOf(node)
    if (member !== undefined && impure.has(member)) add(node.start, member)
    if (node.type === 'NewExpression' && nameOf(node['callee']) === 'Date' && (node['arguments'] as unknown[]).length === 0)
      add(node.start, 'new Date()')
    if (node.type === 'ImportSpecifier' && isNode(node['imported']) && impureImports.has(nameOf(node['imported']) ?? '')) {
      add(node.start, nameOf(node['imported']) ?? '')
    }
  })
  return broken
}

export const purityWall: Wall = {
  name: 'purity',
  why: 'A decision that asks the clock or a die can neither be tested nor replayed, and an import of last year would get the dates of today.',
  check: ({ sources }) =>
    sources
      .filter((source) => ['context', 'kernel'].includes(source.room.kind) && !source.isTest && source.path !== clockFile)
      .flatMap(impurities),
}
