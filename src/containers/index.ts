import type { CheckResult } from '#kernel/check.ts'
import type { ReadContext } from '#platform/database.ts'
import type { Operation } from '#platform/operation.ts'
import { checkContainers, packedWaybills } from './check.ts'
import { findPassages, type Passage } from './find-passages.ts'
import { waybillsIn } from './find-places.ts'
import { containerOperations } from './operations.ts'
import type { FindWaybills } from './pack-items.ts'

export { type ContainerState, containerLifeCycle } from './lifecycle.ts'
export type { FindWaybills, PackableWaybill } from './pack-items.ts'

/** The face of containers: totes, bags and boxes, what is in them, and where they are. */
export interface Containers {
  readonly operations: readonly Operation[]
  /** Waybills of which something is in what was scanned (code or EPC), at any depth, now. undefined: there is no such container. */
  waybillsIn(context: ReadContext, scanned: readonly string[]): Promise<(number[] | undefined)[]>
  /** Where waybills were by what they were in at that time: by waybill, in order of time, the latest 50 of each. */
  passagesOf(context: ReadContext, waybillIds: readonly number[]): Promise<Map<number, Passage[]>>
  /** Waybills of which something is packed now, by rising id. */
  packedWaybills(context: ReadContext, page: { readonly after: number; readonly limit: number }): Promise<number[]>
  check(context: ReadContext): Promise<CheckResult[]>
}

export function openContainers({ findWaybills }: { readonly findWaybills: FindWaybills }): Containers {
  return { operations: containerOperations(findWaybills), waybillsIn, passagesOf: findPassages, packedWaybills, check: checkContainers }
}
