import { readFile, stat } from 'node:fs/promises'
import type pg from 'pg'

/** What took PostgreSQL itself longer than a bound, by the statement's name; `COMMIT` is one of them. */
export type SlowStatements = ReadonlyMap<string, { readonly count: number; readonly longestMs: number }>

/**
 * Has PostgreSQL note each statement that takes longer than `boundMs`, until asked. Its own clock: how long we wait for an answer also counts what
 * we do ourselves before we read it.
 */
export async function noteSlowStatements(admin: pg.Client, logFile: string, boundMs: number): Promise<() => Promise<SlowStatements>> {
  const { size } = await stat(logFile)
  await admin.query(`alter system set log_min_duration_statement = '${boundMs}ms'`)
  await admin.query('alter system set log_parameter_max_length = 0')
  await admin.query('select pg_reload_conf()')
  return async () => {
    // The folder is kept for other runs, and with it what is set so.
    for (const name of ['log_min_duration_statement', 'log_parameter_max_length']) await admin.query(`alter system reset ${name}`)
    await admin.query('select pg_reload_conf()')
    const slow = new Map<string, { count: number; longestMs: number }>()
    const text = (await readFile(logFile)).subarray(size).toString('utf8')
    for (const [, took, prepared, plain] of text.matchAll(/duration: ([\d.]+) ms {2}(?:execute ([^:\s]+)|statement: (\w+))/g)) {
      const name = prepared ?? plain?.toUpperCase() ?? ''
      const before = slow.get(name) ?? { count: 0, longestMs: 0 }
      slow.set(name, { count: before.count + 1, longestMs: Math.max(before.longestMs, Number(took)) })
    }
    return slow
  }
}
