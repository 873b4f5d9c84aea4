import { type ReadContext, statement } from '#platform/database.ts'
import { isToken } from './shipment-view.ts'

const selectVersions = statement<{ token: string; version: number }>(
  'tracking.versions_by_token',
  `select named.token, shipment.version from tracking.shipment as named
   join tracking.shipment on shipment.id = coalesce(named.merged_into, named.id) where named.token = any($1::uuid[])`,
)

/** The version of what each link shows. A shipment that was merged is answered by the one it went into. */
export async function publicVersions(context: ReadContext, tokens: readonly string[]): Promise<Map<string, number>> {
  const asked = [...new Set(tokens.filter(isToken))]
  if (asked.length === 0) return new Map()
  return new Map((await context.query(selectVersions, [asked])).map(({ token, version }) => [token, version]))
}
