import { fold, type Standing } from './fold.ts'
import { draftOf, isBetter, namedBy, type ReportedFact } from './reported-fact.ts'
import type { IncomingFact } from './tracking-store.ts'

/** Where one parcel stands after a set of reports, worked out without a database: what a run is held against. Reports that name nothing do not count. */
export function foldReported(reports: readonly ReportedFact[]): { readonly standing: Standing; readonly facts: number } {
  const facts = new Map<string, IncomingFact>()
  for (const report of reports) {
    const named = namedBy(report)
    if (!named.ok) continue
    const fact = { ...draftOf(report, named.value), shipmentId: 0 }
    const known = facts.get(fact.id)
    if (known === undefined || isBetter(fact, known)) facts.set(fact.id, fact)
  }
  return { standing: fold([...facts.values()]), facts: facts.size }
}
