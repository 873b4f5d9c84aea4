import { systemClock } from '#kernel/time.ts'
import { isDrained } from '#platform/relay.ts'
import { bothTraffics } from '#platform/request-context.ts'
import { configOf, parse, reporter, type Verb } from './command.ts'
import { withCore } from './session.ts'

export const checkVerb: Verb = {
  name: 'check',
  about: 'prove the invariants: cascade = log, outbox drained, quotas exact, money sums equal',
  usage:
    'throughline check [--wait SECONDS] [--json]\n  --wait  how long a running server may take to drain its outbox first, 10 unless told\n  JSON: checks, breaks. Exit code 1 when anything is broken.',
  async run(words) {
    const flags = parse(words, { wait: { type: 'string' } })
    const out = reporter(flags.flag('json'))
    const config = { ...configOf(), databaseStatementTimeoutMs: 600_000 }
    return withCore({ config, clock: systemClock, say: () => undefined }, async (core) => {
      // A running server may just be carrying something over; a broken one will still have it in ten seconds.
      const deadline = performance.now() + flags.number('wait', 10) * 1000
      while (performance.now() < deadline && !((await isDrained(core.relay, 'live')) && (await isDrained(core.relay, 'shadow'))))
        await new Promise((resolve) => setTimeout(resolve, 100))
      const checks: { traffic: string; check: string; breaks: readonly string[] }[] = []
      for (const traffic of bothTraffics) {
        for (const result of await core.check(traffic)) {
          checks.push({ traffic, ...result })
          out.say(`${result.breaks.length === 0 ? 'ok   ' : 'BREAK'}  ${traffic.padEnd(6)}  ${result.check}`)
          for (const each of result.breaks) out.say(`         ${each}`)
        }
      }
      const breaks = checks.flatMap(({ traffic, check, breaks: each }) => each.map((detail) => ({ traffic, check, detail })))
      out.say(breaks.length === 0 ? `${checks.length} checks, nothing is broken` : `${checks.length} checks, ${breaks.length} breaks`)
      out.end({ checks: checks.length, breaks })
      return breaks.length === 0 ? 0 : 1
    })
  },
}
