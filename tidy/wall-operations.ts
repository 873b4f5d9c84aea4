import { type Break, breakAt, contexts, isNode, nameOf, type Node, type Source, type Wall, walk } from './source.ts'

/** A call of `command({…})` or `query({…})` in an operation table. */
interface Declared {
  readonly source: Source
  readonly node: Node
  readonly kind: 'command' | 'query'
  readonly properties: ReadonlyMap<string, Node>
}

const required = ['id', 'context', 'summary', 'input', 'output', 'scopes', 'http', 'batch', 'priority', 'errors', 'body']

function operationsOf(source: Source): Declared[] {
  const found: Declared[] = []
  if (!source.imports.some(({ from }) => from === '#platform/operation.ts')) return found
  walk(source.program, (node) => {
    const kind = node.type === 'CallExpression' ? nameOf(node['callee']) : undefined
    const argument = node.type === 'CallExpression' ? (node['arguments'] as unknown[])[0] : undefined
    if ((kind !== 'command' && kind !== 'query') || !isNode(argument) || argument.type !== 'ObjectExpression') return
    found.push({ source, node, kind, properties: propertiesOf(argument, source) })
  })
  return found
}

/** Properties by name; a spread constant of the same file counts as written out. */
function propertiesOf(object: Node, source: Source): Map<string, Node> {
  const properties = new Map<string, Node>()
  for (const property of object['properties'] as Node[]) {
    if (property.type === 'SpreadElement') {
      const spread = constantOf(source, nameOf(property['argument']))
      if (spread !== undefined) for (const [name, value] of propertiesOf(spread, source)) properties.set(name, value)
    }
    const name = property.type === 'Property' ? nameOf(property['key']) : undefined
    if (name !== undefined && isNode(property['value'])) properties.set(name, property['value'])
  }
  return properties
}

function constantOf(source: Source, name: string | undefined): Node | undefined {
  let found: Node | undefined
  walk(source.program, (node) => {
    if (node.type !== 'VariableDeclarator' || nameOf(node['id']) !== name) return
    let value = node['init']
    while (isNode(value) && /^TS(As|Satisfies)Expression$/.test(value.type)) value = value['expression']
    if (isNode(value) && value.type === 'ObjectExpression') found = value
  })
  return found
}

function ofOperation({ source, node, kind, properties }: Declared): Break[] {
  const at = (position: Node, message: string) => breakAt(source, position.start, message)
  const id = nameOf(properties.get('id')) ?? '(no literal id)'
  const broken = [...required, ...(kind === 'command' ? ['idempotency'] : [])]
    .filter((name) => !properties.has(name))
    .map((name) => at(node, `${id} does not declare ${name}`))
  const idNode = properties.get('id')
  if (idNode && !/^[a-z_]+\.[a-z][a-z_]*$/.test(id)) broken.push(at(idNode, `${id} is not named noun.verb`))
  if (nameOf(properties.get('context')) !== source.room.name) broken.push(at(node, `${id} names another context than the one it lies in`))
  const scopes = properties.get('scopes')
  const open = scopes?.type === 'ArrayExpression' && (scopes['elements'] as unknown[]).length === 0
  if (scopes && open && !saysOpen(source, scopes)) {
    broken.push(at(scopes, `${id} is open to all: say above it why ("Open to all: …")`))
  }
  const errors = properties.get('errors')
  if (errors?.type === 'ObjectExpression') {
    for (const [code, status] of propertiesOf(errors, source)) {
      if (!/^[a-z_]+\.[a-z_]+$/.test(code)) broken.push(at(status, `error ${code} of ${id} is not named noun.reason`))
      const value = status['value']
      if (typeof value === 'number' && (value < 400 || value > 499)) {
        broken.push(at(status, `error ${code} of ${id} has status ${value}: what a caller can cause is 4xx`))
      }
    }
  }
  return broken
}

function saysOpen(source: Source, scopes: Node): boolean {
  const line = breakAt(source, scopes.start, '').line
  return source.comments.some((comment) => {
    const distance = line - breakAt(source, comment.end, '').line
    return distance >= 0 && distance <= 1 && /open to all:? \S.{10,}/i.test(comment.value)
  })
}

/** Ids and ways in must be single over all contexts. */
function doubles(all: readonly Declared[]): Break[] {
  const seen = new Map<string, string>()
  return all.flatMap(({ source, node, properties }) => {
    const id = nameOf(properties.get('id')) ?? ''
    const http = properties.get('http')
    const way = http?.type === 'ObjectExpression' ? propertiesOf(http, source) : new Map<string, Node>()
    const route = `${nameOf(way.get('method')) ?? '?'} ${nameOf(way.get('path')) ?? id}`
    const broken: Break[] = []
    for (const name of [id, route]) {
      const first = seen.get(name)
      if (first !== undefined) broken.push(breakAt(source, node.start, `${name} is declared by ${first} already`))
      seen.set(name, `${id} in ${source.path}`)
    }
    return broken
  })
}

/** `orders.…` belongs to orders and `zones.…` to whoever declares it first: one noun, one owner. */
function strayNouns(all: readonly Declared[]): Break[] {
  const owners = new Map<string, string>(contexts.map((name) => [name, name]))
  return all.flatMap(({ source, node, properties }) => {
    const id = nameOf(properties.get('id')) ?? ''
    const noun = id.split('.')[0] ?? ''
    const owner = owners.get(noun) ?? source.room.name
    owners.set(noun, owner)
    return owner === source.room.name ? [] : [breakAt(source, node.start, `${id} is named after ${noun}, which belongs to ${owner}`)]
  })
}

export const operationsWall: Wall = {
  name: 'operations',
  why: 'Routes, documentation, limits and the matrix of rights are derived from the operation table: what it leaves out, nobody guards.',
  check(tree) {
    const all = tree.sources.filter((source) => source.room.kind === 'context' && !source.isTest).flatMap(operationsOf)
    return [...all.flatMap(ofOperation), ...doubles(all), ...strayNouns(all)]
  },
}
