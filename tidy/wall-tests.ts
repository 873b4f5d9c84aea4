import { type Break, breakAt, memberOf, nameOf, type Node, type Source, type Wall, walk } from './source.ts'

const testFunctions = new Set(['test', 'it', 'describe'])
const left = new Set(['only', 'skip', 'todo', 'fails'])
/** Fault tests wait for a real process now and then, but by polling with a deadline: `expect.poll` or the like. */
const sleeps = new Set(['setTimeout', 'delay', 'sleep', 'wait'])

function ofTest(source: Source): Break[] {
  const broken: Break[] = []
  const add = (node: Node, message: string) => broken.push(breakAt(source, node.start, message))
  walk(source.program, (node, parent) => {
    const member = memberOf(node)?.split('.') ?? []
    if (testFunctions.has(member[0] ?? '') && left.has(member[1] ?? ''))
      add(node, `${member.join('.')}: a test that is left out proves nothing`)
    if (node.type === 'AwaitExpression' && isCall(node['argument'], sleeps)) add(node, 'sleeps: poll with a deadline (expect.poll)')
    if (
      node.type === 'NewExpression' &&
      nameOf(node['callee']) === 'Promise' &&
      parent?.type === 'AwaitExpression' &&
      isSleep(source, node)
    ) {
      add(node, 'sleeps: poll with a deadline (expect.poll)')
    }
    if (isCall(node, new Set(['test', 'it']))) {
      const name = nameOf((node['arguments'] as unknown[])[0])
      if (name !== undefined && name.trim().split(/\s+/).length < 3) add(node, `"${name}" is not a sentence that says what holds`)
    }
  })
  return broken
}

function isCall(node: unknown, names: ReadonlySet<string>): node is Node {
  const call = node as Node | undefined
  return call?.type === 'CallExpression' && names.has(nameOf(call['callee']) ?? '')
}

/** `new Promise((done) => setTimeout(done, 100))`; a timer that only ends a longer wait is something else. */
function isSleep(source: Source, node: Node): boolean {
  return /^new Promise(<[^(]*>)?\(\s*\(?\s*(\w+)\s*\)?\s*=>\s*(void\s+)?setTimeout\(\s*\2\b/.test(source.text.slice(node.start, node.end))
}

export const testsWall: Wall = {
  name: 'tests',
  why: 'A test that sleeps is slow on a fast machine and wrong on a slow one; a test that is skipped is forgotten.',
  check: ({ sources }) => sources.filter((source) => source.path.endsWith('.test.ts')).flatMap(ofTest),
}
