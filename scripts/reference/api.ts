import { batchPathOf, largestRequestOf } from '#platform/http-server.ts'
import type { Operation } from '#platform/operation.ts'
import { code, tableOf } from './sources.ts'

export function apiPage(operations: readonly Operation[]): string {
  const scopes = [...new Set(operations.flatMap((operation) => operation.scopes))].toSorted()
  return [
    '# API',
    '',
    'Every operation of the house, from its operation table. Bodies and answers with all their fields are in',
    '[openapi.json](openapi.json), and on the page `/docs` of a running server. Every failure is `application/problem+json` with a',
    'code; [errors.md](errors.md) lists them.',
    '',
    '- **Authentication**: `Authorization: Bearer tl_…`. A key has scopes; an operation asks for one of its own.',
    '- **Idempotency**: *required* commands want an `Idempotency-Key` header that is new for each command; the same key with the same',
    '  body gives the first answer again. *inherent* ones can be repeated as they are.',
    '- **Batch twin**: `POST` with `{"commands": [{"idempotencyKey": "…", "input": {…}}, …]}`. It answers 200 with one outcome for each',
    '  command, in the same order; a bad one fails alone.',
    '- **Batch**: most commands in one transaction, and how long a single one waits for company.',
    '',
    `Scopes: ${scopes.map(code).join(', ')}.`,
    ...[...Map.groupBy(operations, (operation) => operation.context)].flatMap(([context, own]) => [
      '',
      `## ${context}`,
      '',
      tableOf(['operation', 'what it does', 'way in', 'scopes', 'priority'], own.map(rowOf)),
      '',
      tableOf(['operation', 'batch', 'batch twin', 'idempotency', 'errors of its own'], own.map(detailsOf)),
    ]),
    '',
  ].join('\n')
}

const rowOf = ({ id, summary, http, scopes, priority }: Operation): string[] => [
  code(id),
  summary,
  code(`${http.method} ${http.path}`),
  scopes.length === 0 ? 'open to all' : scopes.map(code).join(' or '),
  priority,
]

function detailsOf(operation: Operation): string[] {
  const { id, batch, errors } = operation
  const twin = batchPathOf(operation)
  return [
    code(id),
    `${batch.largest} at once, ${batch.longestWaitMs} ms`,
    twin === undefined ? '' : `${code(`POST ${twin}`)}, up to ${largestRequestOf(operation)}`,
    operation.kind === 'query' ? 'a question' : operation.idempotency,
    Object.entries(errors)
      .map(([name, status]) => `${code(name)} ${status}`)
      .join(', '),
  ]
}
