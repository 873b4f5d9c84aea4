import { setTimeout as delay } from 'node:timers/promises'
import { partners } from '#flows'
import { systemClock } from '#kernel/time.ts'
import { type DeadLetter, directions, EngineAway, type Exchange, queueOf } from '#platform/exchange.ts'
import { configOf, parse, reporter, table, UsageError, type Verb } from './command.ts'
import { withCore } from './session.ts'

export const deadLettersVerb: Verb = {
  name: 'dead-letters',
  about: 'messages to and from partners that could not be handled: look at them, or send them again',
  usage: [
    'throughline dead-letters list [QUEUE] [--most N] [--shadow] [--json]',
    'throughline dead-letters replay QUEUE [--most N] [--shadow] [--json]',
    `  QUEUE   ${directions.map((direction) => partners.map(({ name }) => queueOf(direction, name)).join(', ')).join(', ')}`,
    '  list    without a queue: how many there are in each; with one: the oldest of them with the reason. Looking takes none away',
    '  replay  puts them back at the end of their queue under their own ids; 100 at most unless told',
    '  A server may run meanwhile. JSON: queues, letters or replayed.',
  ].join('\n'),
  async run(words) {
    const flags = parse(words, { most: { type: 'string' }, shadow: { type: 'boolean' } })
    const [verb, queue, ...rest] = flags.positionals
    if ((verb !== 'list' && verb !== 'replay') || rest.length > 0) throw new UsageError('dead-letters needs list or replay')
    if (verb === 'replay' && queue === undefined) throw new UsageError('dead-letters replay needs a queue')
    const config = configOf()
    const spokenTo = (config.partners ?? '').split(',').map((each) => each.split('=')[0] ?? '')
    const queues = directions.flatMap((direction) => spokenTo.map((name) => queueOf(direction, name)))
    if (queue !== undefined && !queues.includes(queue)) throw new UsageError(`there is no queue "${queue}"; PARTNERS says which there are`)
    const out = reporter(flags.flag('json'))
    const traffic = flags.flag('shadow') ? 'shadow' : 'live'
    const most = flags.number('most', 100)
    return withCore({ config, clock: systemClock, say: () => undefined }, async ({ partners: { exchange } }) => {
      const states = await firstAnswer(exchange, traffic)
      if (queue === undefined) {
        const found = states.map(({ queue: name, waiting, dead }) => [name, waiting, dead])
        out.say(table([['queue', 'waiting', 'dead'], ...found]))
        out.end({ queues: states })
      } else if (verb === 'list') {
        const letters = await exchange.deadLetters(queue, traffic, most)
        for (const letter of letters) out.say(describe(letter))
        if (letters.length === 0) out.say(`${queue} has no dead letters`)
        out.end({ letters })
      } else {
        const replayed = await exchange.replay(queue, traffic, most)
        out.say(`${replayed} messages are back in ${queue}`)
        out.end({ replayed })
      }
      return 0
    })
  },
}

/** The broker is met a moment after the connection was asked for; one that does not answer is told as it is. */
async function firstAnswer(exchange: Exchange, traffic: 'live' | 'shadow'): ReturnType<Exchange['states']> {
  for (const deadline = performance.now() + 10_000; ; await delay(50)) {
    try {
      return await exchange.states(traffic)
    } catch (error) {
      if (!(error instanceof EngineAway)) throw error
      if (performance.now() > deadline) throw new UsageError(`the broker of AMQP_URL does not answer: ${error.message}`)
    }
  }
}

const describe = ({ id, topic, key, occurredAt, reason, body }: DeadLetter): string =>
  `${occurredAt.toISOString()}  ${id}  ${topic}  key ${key}\n  ${reason}\n  ${JSON.stringify(body)}`
