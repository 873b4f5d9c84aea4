import { type DestinationStream, type Logger, pino } from 'pino'
import type { Config } from '#platform/config.ts'
import { currentContext } from '#platform/request-context.ts'

/** Fields whose value never reaches a log, at any of the first four depths. */
const secretFields = [
  'password',
  'secret',
  'token',
  'authorization',
  'apiKey',
  'api_key',
  'cookie',
  'cardNumber',
  'cvc',
  'connectionString',
]

/** What a message or a stack may carry along: the password in a URL, a bearer token. */
const secretsInText: readonly [RegExp, string][] = [
  [/(\w+:\/\/[^:@/\s"]*):[^@\s"]+@/g, '$1:***@'],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]+/gi, '$1 ***'],
]

/** Log lines as JSON, one a line. Each says whose traffic it is about; outside of any request all three are null. */
export function openLog(level: Config['logLevel'], destination: DestinationStream = pino.destination(1)): Logger {
  const paths = secretFields.flatMap((name) => ['', '*.', '*.*.', '*.*.*.'].map((depth) => `${depth}${name}`))
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // pg hangs the whole client on an error that ends it: kilobytes of statements and buffers that say nothing about the cause.
      serializers: { err: (error: Error) => pino.stdSerializers.err(withoutClient(error)) },
      redact: { paths, censor: '***' },
      // A line's own traffic wins: a relay logs about shadow events from outside their context.
      mixin: () => {
        const context = currentContext()
        return { traffic: context?.traffic ?? null, rehearsalId: context?.rehearsalId ?? null, traceId: context?.traceId ?? null }
      },
      mixinMergeStrategy: (line, mixin) => ({ ...mixin, ...line }),
    },
    {
      write(line: string) {
        destination.write(secretsInText.reduce((text, [pattern, masked]) => text.replace(pattern, masked), line))
      },
    },
  )
}

function withoutClient(error: Error): Error {
  if (error instanceof Error && 'client' in error) delete error.client
  return error
}
