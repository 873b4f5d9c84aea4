/** A record of a stream. Records of one key are in one partition, in the order in which they were appended. */
export interface StreamRecord {
  readonly partition: number
  /** Rises within the partition. */
  readonly offset: number
  readonly key: string
  readonly value: string
}

export interface NewRecord {
  readonly key: string
  readonly value: string
}

/** Takes records of one partition, in order. Resolved: they are done. Thrown: the same come again after a rest. */
export type TakeRecords = (records: readonly StreamRecord[]) => Promise<void>

export interface Reading {
  /** Ends what is under way; what was not finished comes again, to whoever reads next. */
  close(): Promise<void>
}

/**
 * Logs in partitions that groups read, each at its own pace: by Kafka, or by a table of ours where there is none. A group gets every
 * record at least once, in order per key; within a group a partition has one reader at a time, and partitions are shared out among the
 * members. Effects must find their own repetition. `streams-contract-rig.ts` is the suite that both keep.
 */
export interface Streams {
  /** Resolved: all records are safe. */
  append(topic: string, records: readonly NewRecord[]): Promise<void>
  /** Reads from where the group stands; a new group begins at the beginning. */
  read(topic: string, group: string, take: TakeRecords, options?: { readonly largest?: number }): Reading
  /** Records that the group has not taken yet. */
  waiting(topic: string, group: string): Promise<number>
  close(): Promise<void>
}

export interface StreamsLog {
  warn(facts: object, message: string): void
}

/** Records in one call of `take`, unless told. */
export const largestTake = 1000
/** Rest after a failure; what failed for lack of a database is in no hurry. */
export const restAfterFailureMs = 500
