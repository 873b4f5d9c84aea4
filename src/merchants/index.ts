import type { Operation } from '#platform/operation.ts'
import { type Keys, merchantOperations } from './operations.ts'

export type { Keys } from './operations.ts'

/** The face of merchants: who they are, where and when they prepare, what they drive, and their keys. */
export interface Merchants {
  readonly operations: readonly Operation[]
}

export function openMerchants({ keys }: { readonly keys: Keys }): Merchants {
  return { operations: merchantOperations(keys) }
}
