import { carrierAdapters } from '#partners/carriers/index.ts'
import type { Config } from '#platform/config.ts'
import type { Databases } from '#platform/database.ts'
import type { TrackingOptions } from '#tracking'

/** The carriers whose webhooks are taken, in the whole and where tracking runs alone. */
export function carriersOf(
  { carrierSecrets = '' }: Pick<Config, 'carrierSecrets'>,
  databases: Databases,
  log: { warn(facts: object, message: string): void },
): NonNullable<TrackingOptions['carriers']> {
  // A secret may have colons in it; the name of a carrier has none.
  const pairs = carrierSecrets === '' ? [] : carrierSecrets.split(',').map((pair) => pair.split(/:(.*)/s))
  return {
    carriers: carrierAdapters,
    secrets: new Map(pairs.map(([carrier = '', secret = '']) => [carrier, secret])),
    database: databases.of('tracking'),
    log: ({ message, error }) => log.warn({ err: error }, message),
  }
}
