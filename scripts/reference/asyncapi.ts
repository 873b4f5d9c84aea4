import { partnerMessages, partners } from '#flows'
import { directions, queueOf } from '#platform/exchange.ts'
import type { Operation } from '#platform/operation.ts'

/**
 * What partners exchange with us, as AsyncAPI 3: from the very schemas that messages are made with, and, the other way, from the input of
 * the operations that a message may call.
 */
export function asyncApiOf(operations: readonly Operation[], version: string): object {
  const asked = [...new Set(partners.flatMap(({ asks }) => asks))].map((id) => {
    const operation = operations.find((each) => each.id === id)
    if (operation === undefined) throw new Error(`a partner may ask for ${id}, and there is no such operation`)
    return operation
  })
  const told = partnerMessages.filter(({ name }) => partners.some(({ takes }) => name in takes))
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Throughline, messages with partners',
      version,
      description:
        'At least once and in order per `x-key`: a message that comes twice has the same `messageId`. Of a rehearsal everything has `shadow` in its name instead of `live`.',
    },
    defaultContentType: 'application/json',
    servers: { broker: { host: 'localhost:5672', protocol: 'amqp', protocolVersion: '0.9.1' } },
    channels: Object.fromEntries(directions.flatMap((direction) => partners.map((partner) => channelOf(direction, partner)))),
    operations: Object.fromEntries(
      directions.flatMap((direction) =>
        partners
          .filter(({ asks }) => direction === 'outbound' || asks.length > 0)
          .map(({ name, about }) => [
            queueOf(direction, name),
            {
              action: direction === 'outbound' ? 'send' : 'receive',
              channel: { $ref: `#/channels/${queueOf(direction, name)}` },
              summary: about,
            },
          ]),
      ),
    ),
    components: {
      messages: Object.fromEntries([
        ...told.map(({ name, version: of, about, schema }) => [
          `${name}.v${of}`,
          { name, summary: about, headers: { $ref: '#/components/schemas/headers' }, payload: schema, 'x-schema-version': of },
        ]),
        ...asked.map(({ id, summary, input }) => [
          `${id}.v1`,
          {
            name: id,
            summary,
            description: '`messageId` is the idempotency key; what the operation refuses becomes a dead letter with the reason.',
            headers: { $ref: '#/components/schemas/headers' },
            payload: input as object,
            'x-schema-version': 1,
          },
        ]),
      ]),
      schemas: { headers },
    },
  }
}

function channelOf(direction: (typeof directions)[number], { name, about, takes, asks }: (typeof partners)[number]): [string, object] {
  const queue = queueOf(direction, name)
  const messages =
    direction === 'outbound'
      ? partnerMessages.filter((message) => message.name in takes).map((message) => `${message.name}.v${message.version}`)
      : asks.map((id) => `${id}.v1`)
  return [
    queue,
    {
      address: direction === 'outbound' ? `throughline.live.${queue}` : 'throughline.live.inbound',
      title: direction === 'outbound' ? `to ${name}` : `from ${name}`,
      description:
        direction === 'outbound'
          ? `${about}. It reads this queue; the routing key is \`${name}.\` and the name of the message.`
          : `It publishes to this topic exchange; the routing key is \`${name}.\` and the name of the operation.`,
      messages: Object.fromEntries(messages.map((message) => [message, { $ref: `#/components/messages/${message}` }])),
      bindings: {
        amqp:
          direction === 'outbound'
            ? { is: 'queue', queue: { name: `throughline.live.${queue}`, durable: true, exclusive: false, autoDelete: false } }
            : { is: 'routingKey', exchange: { name: 'throughline.live.inbound', type: 'topic', durable: true, autoDelete: false } },
      },
    },
  ]
}

const headers = {
  type: 'object',
  properties: {
    'x-key': {
      type: 'string',
      description:
        'messages of one key come in order, such as fulfilment:17 for what fulfilment tells of waybill 17; where a partner leaves it out, each is a key of its own',
    },
    'x-schema-version': { type: 'integer', description: 'of the body; 1 unless told' },
    'x-occurred-at': { type: 'string', format: 'date-time' },
    'x-trace-id': { type: 'string', description: 'W3C trace id' },
    'x-rehearsal-id': { type: 'string', description: 'in shadow traffic only' },
    'x-traffic': { type: 'string', enum: ['live', 'shadow'] },
  },
}
