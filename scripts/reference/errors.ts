import { contextNames } from '#platform/database.ts'
import type { Operation } from '#platform/operation.ts'
import { platformErrors } from '#platform/problem.ts'
import { code, isSyntaxNode, roomOf, type SourceFile, tableOf, textOf, visit } from './sources.ts'

interface Refused {
  readonly context: string
  readonly says: Set<string>
}

export function errorsPage(operations: readonly Operation[], sources: readonly SourceFile[]): string {
  const refusals = refusalsIn(sources)
  const says = (name: string): string => [...(refusals.get(name)?.says ?? [])].map((sentence) => `“${sentence}”`).join(' · ')
  const statuses = new Map<string, { status: number; operations: string[] }>()
  for (const { id, errors } of operations) {
    for (const [name, status] of Object.entries(errors)) {
      const known = statuses.get(name) ?? { status, operations: [] }
      if (known.status !== status) throw new Error(`${name} is ${known.status} for ${known.operations.join(', ')} and ${status} for ${id}`)
      statuses.set(name, { status, operations: [...known.operations, id] })
    }
  }
  const contexts = contextNames.filter((context) => [...statuses.keys()].some((name) => name.startsWith(`${context}.`)))
  const inside = [...refusals]
    .filter(([name, { context }]) => !statuses.has(name) && !(name in platformErrors) && contextNames.some((known) => known === context))
    .map(([name]) => name)
    .toSorted()
  return [
    '# Error codes',
    '',
    'A failure is `application/problem+json`: `code` is stable and made for programs, `detail` is a sentence for people, `field` names',
    'what is at fault, `traceId` is what to ask us about. Where a second try makes sense there is a `Retry-After`; try again with the same',
    'idempotency key. The sentences below have … where a value stands.',
    '',
    '## Of any operation',
    '',
    tableOf(
      ['code', 'status', 'says'],
      Object.entries(platformErrors).map(([name, status]) => [code(name), String(status), says(name)]),
    ),
    ...contexts.flatMap((context) => [
      '',
      `## ${context}`,
      '',
      tableOf(
        ['code', 'status', 'answered by', 'says'],
        [...statuses]
          .filter(([name]) => name.startsWith(`${context}.`))
          .toSorted(([a], [b]) => a.localeCompare(b, 'en'))
          .map(([name, { status, operations: ids }]) => [code(name), String(status), ids.map(code).join(', '), says(name)]),
      ),
    ]),
    '',
    '## Inside',
    '',
    'Codes that no operation answers as its failure. Those about a zone stand in the answer of `zones.import`, one for each bad feature.',
    'The others are met by flows, written to the log as “a step was refused”, and left at that: most tell of a race that was lost fairly,',
    'such as a cancellation that came first.',
    '',
    tableOf(
      ['code', 'says'],
      inside.map((name) => [code(name), says(name)]),
    ),
    '',
  ].join('\n')
}

/** Calls such as `refused('orders.not_found', 'There is …')`, and of a context's own short forms that put its name before the reason. */
function refusalsIn(sources: readonly SourceFile[]): Map<string, Refused> {
  const found = new Map<string, Refused>()
  for (const { path, program } of sources) {
    const context = roomOf(path)
    const shortForms = new Set<string>()
    visit(program, (node) => {
      if (node.type !== 'VariableDeclarator' || !isSyntaxNode(node['init']) || !isSyntaxNode(node['id'])) return
      if (node['init'].type !== 'ArrowFunctionExpression' || !isSyntaxNode(node['init']['body'])) return
      const [first] = argumentsOf(node['init']['body'], 'refused') ?? []
      if (textOf(first) === `${context}.…`) shortForms.add(String(node['id']['name']))
    })
    visit(program, (node) => {
      const long = argumentsOf(node, 'refused')
      const short = [...shortForms].map((name) => argumentsOf(node, name)).find((given) => given !== undefined)
      const reason = textOf((long ?? short)?.[0])
      if (reason === undefined || reason.includes('…')) return
      const name = long === undefined ? `${context}.${reason}` : reason
      const refusal = found.get(name) ?? { context: name.split('.')[0] ?? '', says: new Set<string>() }
      const sentence = textOf((long ?? short)?.[1])
      if (sentence !== undefined) refusal.says.add(sentence)
      found.set(name, refusal)
    })
  }
  return found
}

function argumentsOf(node: unknown, callee: string): unknown[] | undefined {
  if (!isSyntaxNode(node) || node.type !== 'CallExpression' || !isSyntaxNode(node['callee'])) return undefined
  return node['callee']['name'] === callee ? (node['arguments'] as unknown[]) : undefined
}
