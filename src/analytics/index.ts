import type { CheckResult } from '#kernel/check.ts'
import type { ReadContext, Scope, WriteContext } from '#platform/database.ts'
import { checkAnalytics } from './check.ts'
import {
  type FactColumn,
  type FactPage,
  type FactPlace,
  type FactTable,
  factTables,
  readFactColumns,
  readFactPage,
  startOf,
} from './fact-tables.ts'
import type { Recorded } from './projection.ts'
import { checkFacts, type FactsDeps, projectOrders, type Rebuilt, rebuildFacts } from './rebuild.ts'
import { findOrderTotals, type NotedFailure, type NotedMovement, recordFailures, recordMovements } from './record-payments.ts'

export type { FactColumn, FactTable }
export { factTables }

/** The face of analytics: tables of facts for people who read them in SQL, kept by flows. */
export interface Analytics {
  /** Reads orders anew and writes what they say now; `claimed`: those whose claims are read, too. Returns how many rows were written. */
  projectOrders(context: WriteContext, ids: readonly number[], claimed: readonly number[]): Promise<Recorded>
  /** Adds movements of money, each once by kind and subject. Returns how many were new. */
  recordMovements(context: WriteContext, asked: readonly NotedMovement[]): Promise<number>
  /** Adds failures of means of payment, each once by its event. Returns how many were new. */
  recordFailures(context: WriteContext, asked: readonly NotedFailure[]): Promise<number>
  /** By order id: what payment facts say was taken for it and kept (`order_money.kept_minor`); for a law beside the ledger's. */
  findOrderTotals(context: ReadContext, orderIds: readonly number[]): Promise<Map<number, number>>
  /** Projects all orders of a traffic again, beside whatever runs; `progress` is told of orders done. */
  rebuild(scope: Scope, progress?: (orders: number) => void): Promise<Rebuilt>
  columnsOf(context: ReadContext, table: FactTable): Promise<FactColumn[]>
  startOf(table: FactTable, from: Date | null): FactPlace
  readPage(
    context: ReadContext,
    table: FactTable,
    options: { readonly place: FactPlace; readonly until: Date | null; readonly most: number },
  ): Promise<FactPage>
  /** Laws of the facts by themselves, and that they are what orders say. */
  check(scope: Scope): Promise<CheckResult[]>
}

export function openAnalytics(deps: FactsDeps): Analytics {
  return {
    projectOrders: (context, ids, claimed) => projectOrders(deps.source, context, { ids, claimed }),
    recordMovements,
    recordFailures,
    findOrderTotals,
    rebuild: (scope, progress) => rebuildFacts(deps, scope, progress),
    columnsOf: readFactColumns,
    startOf,
    readPage: readFactPage,
    async check(scope) {
      return [...(await deps.database.survey(scope, checkAnalytics)), await checkFacts(deps, scope)]
    },
  }
}
