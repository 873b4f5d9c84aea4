import { Type } from 'typebox'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { ReadContext, WriteContext } from '#platform/database.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { gatewayMix } from './gateway-mix.ts'
import type { findGatewayMixes, PutGatewayMix } from './put-gateway-mix.ts'

const closed = { additionalProperties: false }
const storeId = Type.String({ minLength: 1, maxLength: 64 })
const version = Type.Integer({ minimum: 1, maximum: 2_147_483_647 })

interface Faces {
  putGatewayMixes(context: WriteContext, commands: readonly PutGatewayMix[]): Promise<Outcome<{ storeId: string; version: number }>[]>
  findGatewayMixes(context: ReadContext, asked: Parameters<typeof findGatewayMixes>[1]): ReturnType<typeof findGatewayMixes>
}

export function mixOperations(mixes: Faces): readonly Operation[] {
  const put = command({
    id: 'payments.put_gateway_mix',
    context: 'payments',
    audited: true,
    summary: 'Say which payment gateways a store pays by. A new version each time; every process chooses by it within about a second.',
    input: Type.Object(
      {
        storeId,
        mix: gatewayMix,
        expectedVersion: Type.Optional(
          Type.Integer({
            minimum: 0,
            maximum: 2_147_483_646,
            description: 'the version that this one follows (0: none); refused when another is there',
          }),
        ),
      },
      closed,
    ),
    output: Type.Object({ storeId, version }, closed),
    scopes: ['payments:configure'],
    http: { method: 'PUT', path: '/v1/payments/mixes/:storeId', status: 200, batchPath: '/v1/payments/mixes/batch' },
    batch: { largest: 64, longestWaitMs: 0 },
    idempotency: 'optional',
    priority: 'normal',
    errors: { 'payments.unknown_gateway': 404, 'payments.bad_mix': 422, 'payments.mix_changed': 409 },
    body: (context, asked) =>
      mixes.putGatewayMixes(
        context,
        asked.map(({ input, actor, commandId }) => ({ ...input, actor: actor.id, commandId })),
      ),
  })

  const get = query({
    id: 'payments.get_gateway_mix',
    context: 'payments',
    summary: 'The payment gateways of a store, as they are now or as they were in a version; who put it and when.',
    input: Type.Object({ storeId, version: Type.Optional(version) }, closed),
    output: Type.Object({ storeId, version, mix: gatewayMix, actor: Type.String(), createdAt: Type.String() }, closed),
    scopes: ['payments:configure', 'payments:read'],
    http: { method: 'GET', path: '/v1/payments/mixes/:storeId', batchPath: '/v1/payments/mixes/get/batch' },
    batch: { largest: 64, longestWaitMs: 0 },
    priority: 'normal',
    errors: { 'payments.mix_not_found': 404 },
    async body(context, asked) {
      const found = await mixes.findGatewayMixes(
        context,
        asked.map(({ input }) => input),
      )
      return found.map((view) =>
        view === undefined
          ? refused('payments.mix_not_found', 'The store has no such mix: it pays by the first gateway that takes its means.', '/storeId')
          : accepted(view),
      )
    },
  })

  return [put, get]
}
