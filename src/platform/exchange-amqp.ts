import { setImmediate as turn } from 'node:timers/promises'
import {
  type AsyncMessage,
  Connection,
  type ConnectionOptions,
  ConsumerStatus,
  type Envelope,
  type Publisher,
  type SyncMessage,
} from 'rabbitmq-client'
import {
  type DeadLetter,
  type Direction,
  directions,
  EngineAway,
  type Exchange,
  type ExchangeMessage,
  queueOf,
  wavesByKey,
} from '#platform/exchange.ts'
import { openLanes } from '#platform/exchange-lanes.ts'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'

export interface AmqpOptions {
  readonly url: string
  /** Each has a queue in either direction. */
  readonly partners: readonly string[]
  /** Messages that one queue holds; what comes then is refused and waits at the sender's. 100,000 unless told. */
  readonly queueMost?: number
  /** Longest wait for the broker's word that messages are safe, ms; 5,000 unless told. */
  readonly confirmWithinMs?: number
  readonly log: { warn(facts: object, message: string): void }
}

/** Messages that a consumer has in hand. More gain nothing: a batch of an operation is as large as its callers are many. */
const prefetch = 200
/** Where a consumer dies of a message again and again, without ever getting to say so, the broker sorts it out. */
const deliveriesMost = 20
/** After a refusal, how long nothing more is tried: an answer known beforehand must not hold a connection to the database. */
const restAfterRefusalMs = 500

const prefixOf = (traffic: Traffic): string => `throughline.${traffic}`
const exchangeOf = (traffic: Traffic, direction: Direction): string => `${prefixOf(traffic)}.${direction}`
const nameOf = (traffic: Traffic, queue: string): string => `${prefixOf(traffic)}.${queue}`

/**
 * Partners by RabbitMQ. For each traffic, under names of its own: two topic exchanges, for each partner a quorum queue in either direction,
 * and a queue of dead letters behind each. A partner reads `throughline.live.to.NAME` and sends to the exchange `throughline.live.inbound`;
 * nothing of a rehearsal ever reaches those.
 */
export function openAmqpExchange(options: AmqpOptions): Exchange {
  const { queueMost = 100_000, confirmWithinMs = 5_000, log } = options
  const queues = directions.flatMap((direction) =>
    options.partners.map((partner) => ({ direction, queue: queueOf(direction, partner), topics: `${partner}.#` })),
  )
  const connect = (name: string): Connection => {
    const settings: ConnectionOptions = {
      url: options.url,
      connectionName: `throughline ${name}`,
      // Short: while a broker is away the outbox waits, and looks again in a second.
      acquireTimeout: 2_000,
      connectionTimeout: 5_000,
      retryLow: 200,
      retryHigh: 2_000,
      heartbeat: 10,
    }
    const connection = new Connection(settings)
    connection.on('error', (error: unknown) => log.warn({ err: error }, 'the connection to the broker broke; it is made anew'))
    return connection
  }
  const topology = Object.fromEntries(bothTraffics.map((traffic) => [traffic, topologyOf(traffic, queues, queueMost)])) as Record<
    Traffic,
    ReturnType<typeof topologyOf>
  >
  // Sending and taking have connections of their own: a broker that is short of memory stops those that send, and acknowledgements must pass.
  const sending = connect('sending')
  const taking = connect('taking')
  const returned = new Set<string>()
  const publishers = new Map<Traffic, Publisher>()
  const publisherOf = (traffic: Traffic): Publisher => {
    let publisher = publishers.get(traffic)
    if (publisher === undefined) {
      publisher = sending.createPublisher({ confirm: true, ...topology[traffic] })
      publisher.on('basic.return', ({ messageId }) => void (messageId !== undefined && returned.add(messageId)))
      publishers.set(traffic, publisher)
    }
    return publisher
  }

  let restUntil = 0
  const send = async (traffic: Traffic, sent: readonly { envelope: Envelope; body: unknown }[]): Promise<void> => {
    if (!sending.ready) throw new EngineAway('the broker is away')
    if (performance.now() < restUntil) throw new EngineAway('the broker has just refused messages')
    const publisher = publisherOf(traffic)
    const all = Promise.allSettled(sent.map(({ envelope, body }) => publisher.send(envelope, body)))
    const settled = await within(all, confirmWithinMs)
    const failed = settled?.find((each) => each.status === 'rejected')
    // The client tells of a message that no queue took one turn after the broker's word that it came.
    await turn()
    const [unrouted] = sent.filter(({ envelope }) => returned.delete(envelope.messageId ?? ''))
    if (settled !== undefined && failed === undefined && unrouted === undefined) return
    // A broker that hangs is left alone for as long as it was waited for.
    restUntil = performance.now() + (settled === undefined ? confirmWithinMs : restAfterRefusalMs)
    if (settled === undefined) throw new EngineAway(`the broker has not confirmed within ${confirmWithinMs} ms`)
    if (unrouted !== undefined) throw new EngineAway(`no queue takes ${unrouted.envelope.routingKey}`)
    throw new EngineAway(`the broker refused a message: ${String(failed?.reason)}`, { cause: failed?.reason })
  }

  const sendAll = async (traffic: Traffic, direction: Direction, messages: readonly ExchangeMessage[]): Promise<void> => {
    for (const wave of wavesByKey(messages)) {
      await send(
        traffic,
        wave.map((message) => ({
          envelope: { ...envelopeOf(message, traffic), exchange: exchangeOf(traffic, direction), routingKey: message.topic },
          body: message.body,
        })),
      )
    }
  }

  /** Straight into a queue, by the exchange that leads to all of them. */
  const sendTo = (traffic: Traffic, queue: string, message: ExchangeMessage, headers: Record<string, string>): Promise<void> => {
    const envelope = envelopeOf(message, traffic)
    return send(traffic, [
      {
        envelope: { ...envelope, headers: { ...(envelope.headers as object), ...headers }, routingKey: nameOf(traffic, queue) },
        body: message.body,
      },
    ])
  }

  /** Makes sure that a queue is there; how many messages it holds. */
  const declare = async (traffic: Traffic, queue: string): Promise<number> => {
    const spec = topology[traffic].queues.find((each) => each.queue === nameOf(traffic, queue))
    if (spec === undefined) throw new Error(`there is no queue ${queue}`)
    return (await taking.queueDeclare(spec)).messageCount
  }

  return {
    publish: (context, messages) => sendAll(context.traffic, 'outbound', messages),
    submit: ({ traffic }, messages) => sendAll(traffic, 'inbound', messages),
    consume(queue, traffic, handle) {
      const lanes = openLanes(traffic, handle)
      const { exchanges, queues: declared, queueBindings } = topology[traffic]
      const name = nameOf(traffic, queue)
      const consumer = taking.createConsumer(
        {
          queue: name,
          queueOptions: declared.find((each) => each.queue === name) ?? { queue: name, passive: true },
          exchanges,
          queueBindings: queueBindings.filter((binding) => binding.queue === name),
          qos: { prefetchCount: prefetch },
        },
        async (arrived) => {
          const message = messageOf(arrived)
          const settled = await lanes.settle(message)
          if (settled.end === 'done') return ConsumerStatus.ACK
          if (settled.end === 'left') return ConsumerStatus.REQUEUE
          // Into the dead letters by ourselves and confirmed, since the broker could not note the reason.
          return sendTo(traffic, `${queue}.dead`, message, { 'x-reason': settled.reason }).then(
            () => ConsumerStatus.ACK,
            () => ConsumerStatus.REQUEUE,
          )
        },
      )
      consumer.on('error', (error: unknown) =>
        log.warn({ err: error, queue, traffic }, 'a queue of the broker could not be read; it is tried again'),
      )
      return {
        async close() {
          lanes.close()
          await consumer.close()
        },
      }
    },
    async states(traffic) {
      if (!sending.ready || !taking.ready) throw new EngineAway('the broker is away')
      const counted = queues.map(async ({ queue }) => ({
        queue,
        waiting: await declare(traffic, queue),
        dead: await declare(traffic, `${queue}.dead`),
      }))
      // A broker that hangs must not make whoever reads the metrics hang with it.
      const states = await within(Promise.all(counted), confirmWithinMs)
      if (states === undefined) throw new EngineAway(`the broker has not answered within ${confirmWithinMs} ms`)
      return states
    },
    async deadLetters(queue, traffic, most) {
      await declare(traffic, `${queue}.dead`)
      const channel = await taking.acquire()
      const found: DeadLetter[] = []
      try {
        while (found.length < most) {
          const next = await channel.basicGet({ queue: nameOf(traffic, `${queue}.dead`) })
          if (next === undefined) break
          found.push({
            ...messageOf(next),
            reason: textOf(next, 'x-reason') ?? `delivered ${deliveriesMost} times without an end`,
          })
        }
      } finally {
        // Nothing was acknowledged: with the channel all of it goes back to where it was.
        await channel.close()
      }
      return found
    },
    async replay(queue, traffic, most) {
      await declare(traffic, `${queue}.dead`)
      const channel = await taking.acquire()
      let replayed = 0
      try {
        for (; replayed < most; replayed += 1) {
          const next = await channel.basicGet({ queue: nameOf(traffic, `${queue}.dead`) })
          if (next === undefined) break
          // First there, then gone from here: a crash in between leaves it twice, and its id tells.
          await sendTo(traffic, queue, messageOf(next), {})
          channel.basicAck({ deliveryTag: next.deliveryTag })
        }
      } finally {
        await channel.close()
      }
      return replayed
    },
    async close() {
      // What is still to be confirmed is sent again by the next process; there is no use in waiting for it.
      for (const publisher of publishers.values()) void publisher.close().catch(() => undefined)
      if ((await within(Promise.all([sending.close(), taking.close()]), confirmWithinMs)) !== undefined) return
      for (const connection of [sending, taking]) connection.unsafeDestroy()
    },
  }
}

function topologyOf(traffic: Traffic, queues: readonly { direction: Direction; queue: string; topics: string }[], queueMost: number) {
  const dead = `${prefixOf(traffic)}.dead`
  const quorum = { 'x-queue-type': 'quorum' as const }
  return {
    exchanges: [
      ...directions.map((direction) => ({ exchange: exchangeOf(traffic, direction), type: 'topic', durable: true })),
      { exchange: dead, type: 'direct', durable: true },
    ],
    queues: queues.flatMap(({ queue }) => [
      {
        queue: nameOf(traffic, queue),
        durable: true,
        arguments: {
          ...quorum,
          // One at a time, so that order holds when several processes take from it.
          'x-single-active-consumer': true,
          'x-delivery-limit': deliveriesMost,
          'x-max-length': queueMost,
          // Full means refused, never dropped.
          'x-overflow': 'reject-publish' as const,
          'x-dead-letter-exchange': dead,
          'x-dead-letter-routing-key': nameOf(traffic, queue),
          'x-dead-letter-strategy': 'at-least-once',
        },
      },
      { queue: nameOf(traffic, `${queue}.dead`), durable: true, arguments: quorum },
    ]),
    queueBindings: queues.flatMap(({ direction, queue, topics }) => [
      { exchange: exchangeOf(traffic, direction), queue: nameOf(traffic, queue), routingKey: topics },
      { exchange: dead, queue: nameOf(traffic, `${queue}.dead`), routingKey: nameOf(traffic, queue) },
    ]),
  }
}

function envelopeOf(message: ExchangeMessage, traffic: Traffic): Envelope {
  return {
    messageId: message.id,
    type: message.topic,
    durable: true,
    mandatory: true,
    timestamp: Math.floor(message.occurredAt.getTime() / 1000),
    headers: {
      'x-key': message.key,
      'x-schema-version': message.schemaVersion,
      'x-occurred-at': message.occurredAt.toISOString(),
      'x-trace-id': message.traceId,
      'x-traffic': traffic,
      ...(message.rehearsalId === null ? {} : { 'x-rehearsal-id': message.rehearsalId }),
    },
  }
}

/** A header, where it is a text. */
function textOf({ headers }: AsyncMessage | SyncMessage, name: string): string | undefined {
  const value: unknown = headers?.[name]
  return typeof value === 'string' ? value : undefined
}

/** A message as it came, from us or from a partner who knows of AMQP only its basics. */
function messageOf(arrived: AsyncMessage | SyncMessage): ExchangeMessage {
  const text = (name: string): string | undefined => textOf(arrived, name)
  const id = arrived.messageId ?? ''
  const occurredAt = new Date(text('x-occurred-at') ?? (arrived.timestamp ?? 0) * 1000)
  return {
    id,
    topic: arrived.type ?? routedBy(arrived) ?? arrived.routingKey,
    key: text('x-key') ?? id,
    schemaVersion: Number(arrived.headers?.['x-schema-version'] ?? 1),
    occurredAt: Number.isNaN(occurredAt.getTime()) ? new Date(0) : occurredAt,
    traceId: text('x-trace-id') ?? '',
    rehearsalId: text('x-rehearsal-id') ?? null,
    body: Buffer.isBuffer(arrived.body) ? bodyOf(arrived.body) : (arrived.body as unknown),
  }
}

/** Where a message was meant to go that the broker itself has put to the dead letters. */
function routedBy({ headers }: AsyncMessage | SyncMessage): string | undefined {
  const [death] = (headers?.['x-death'] ?? []) as readonly { readonly 'routing-keys'?: readonly string[] }[]
  return death?.['routing-keys']?.[0]
}

/** A partner may have forgotten to say that it is JSON; what is none is left as text, for the schema to refuse. */
function bodyOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown
  } catch {
    return bytes.toString('utf8')
  }
}

/** The result, or undefined when it takes longer. */
async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
