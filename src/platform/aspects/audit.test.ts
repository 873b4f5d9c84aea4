import { expect, test } from 'vitest'
import { accepted, refused } from '#kernel/outcome.ts'
import { audit } from '#platform/aspects/audit.ts'
import type { Operation } from '#platform/operation.ts'

const call = {
  context: { traffic: 'shadow', rehearsalId: 'r1', actor: { id: 'key:finance', scopes: [] }, traceId: 'abc' },
  input: { secret: 'not logged' },
  idempotencyKey: 'k',
} as const

test('an audited command leaves a line with who, what, the outcome and its traffic, and nothing of the input', () => {
  const lines: object[] = []
  const log = { info: (facts: object) => void lines.push(facts) }
  const operation = { id: 'payments.refund', kind: 'command', audited: true } as unknown as Operation
  audit(log, operation, call, accepted({}))
  audit(log, operation, call, refused('payments.refund_too_large', ''))
  audit(log, { ...operation, audited: false } as unknown as Operation, call, accepted({}))
  expect(lines).toEqual([
    {
      audit: 'payments.refund',
      actor: 'key:finance',
      idempotencyKey: 'k',
      outcome: 'ok',
      traffic: 'shadow',
      rehearsalId: 'r1',
      traceId: 'abc',
    },
    {
      audit: 'payments.refund',
      actor: 'key:finance',
      idempotencyKey: 'k',
      outcome: 'payments.refund_too_large',
      traffic: 'shadow',
      rehearsalId: 'r1',
      traceId: 'abc',
    },
  ])
})
