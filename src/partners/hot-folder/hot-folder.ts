import { type Dirent, existsSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Failure } from '#kernel/outcome.ts'
import type { Clock } from '#kernel/time.ts'
import { tryFolderLock } from '#platform/folder-lock.ts'
import type { Runner } from '#platform/operation-runner.ts'
import { newTraceId } from '#platform/request-context.ts'
import { type FileKind, type Imported, outcomeLine, type Whole } from './file-kind.ts'

/** What became of one file. */
export interface FileReport {
  readonly file: string
  /** What it has lines of: orders, containers, settlement lines. */
  readonly of: string
  /** repeated: the same content was imported before, nothing was done. */
  readonly outcome: 'imported' | 'repeated' | 'refused'
  readonly placed: number
  readonly refused: number
  readonly lines: number
  /** Why the file as a whole was refused. */
  readonly problem?: Failure
}

export interface HotFolderOptions {
  readonly folder: string
  /** What is taken, each from its own folder. */
  readonly kinds: readonly FileKind[]
  readonly runner: Pick<Runner, 'runMany'>
  readonly clock: Clock
  /** A file is whole when its size and time have not changed for so long, ms; 2,000 unless told. */
  readonly quietMs?: number
  /** Between two looks into the folder, ms; 500 unless told. */
  readonly pollMs?: number
  readonly observe?: (report: FileReport) => void
  readonly log: { info(facts: object, message: string): void; warn(facts: object, message: string): void }
}

export interface HotFolder {
  /** Looks once: finishes what a killed process has left, then takes the files that are whole. Nothing while another process is at work. */
  look(): Promise<FileReport[]>
  /** Files in the folder that wait to be taken, whole or not. */
  waiting(): Promise<number>
  /** Looks again and again until it is closed. */
  start(): void
  /** Ends between two batches; the rest of the file is imported at the next start. */
  close(): Promise<void>
}

/** What `working/NAME.claim` holds. */
interface Claim {
  readonly claimedAt: string
  /** Begins the names under which file and outcome are put away: one import, one stamp. */
  readonly stamp: string
}

/** What `receipts/HASH.json` holds, for as long as nobody deletes it. */
interface Receipt extends Omit<FileReport, 'outcome' | 'problem'> {
  readonly stamp: string
  readonly at: string
}

/** Hot folders beside and in each other, one for each kind of file, looked through one after the other. */
export function openHotFolder({ kinds, ...options }: HotFolderOptions): HotFolder {
  const stopping = new AbortController()
  const folders = kinds.map((kind) => openKind(kind, options, stopping))
  const { folder, pollMs = 500, log } = options
  let running: Promise<void> | undefined
  const look = async (): Promise<FileReport[]> => {
    const reports: FileReport[] = []
    for (const each of folders) reports.push(...(await each.look()))
    return reports
  }
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await look().catch((error: unknown) => {
        if (!stopping.signal.aborted) log.warn({ err: error, folder }, 'the hot folder could not be worked on; it is tried again')
      })
      await delay(pollMs, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  }
  return {
    look,
    waiting: async () => (await Promise.all(folders.map((each) => each.waiting()))).reduce((sum, each) => sum + each, 0),
    start: () => void (running ??= run()),
    async close() {
      stopping.abort()
      await running
    },
  }
}

function openKind(
  kind: FileKind,
  { folder, runner, clock, quietMs = 2_000, observe, log }: Omit<HotFolderOptions, 'kinds'>,
  stopping: AbortController,
): Pick<HotFolder, 'look' | 'waiting'> {
  const { outcomeHeader, resumeWithinMs } = kind
  const actor = { id: 'partner:hot_folder', scopes: kind.scopes }
  const at = (...parts: readonly string[]): string => join(folder, kind.folder, ...parts)
  const seen = new Map<string, { size: number; mtimeMs: number; since: number }>()

  const prepare = async (): Promise<void> => {
    for (const name of ['working', 'done', 'failed', 'receipts']) await mkdir(at(name), { recursive: true })
  }

  const filesIn = async (path: string): Promise<string[]> =>
    (await readdir(path, { withFileTypes: true }))
      .filter((entry: Dirent) => entry.isFile() && kind.takes(entry.name))
      .map(({ name }) => name)

  /** Files that have been as they are for long enough, the oldest first. Our own time counts: clocks of file servers differ. */
  const wholeFiles = async (): Promise<string[]> => {
    const names = await filesIn(at())
    for (const name of seen.keys()) if (!names.includes(name)) seen.delete(name)
    const whole: { name: string; mtimeMs: number }[] = []
    for (const name of names) {
      const found = await stat(at(name)).catch(() => undefined)
      if (found === undefined) continue
      const { size, mtimeMs } = found
      const before = seen.get(name)
      if (before === undefined || before.size !== size || before.mtimeMs !== mtimeMs)
        seen.set(name, { size, mtimeMs, since: performance.now() })
      else if (performance.now() - before.since >= quietMs) whole.push({ name, mtimeMs })
    }
    return whole.toSorted((a, b) => a.mtimeMs - b.mtimeMs || (a.name < b.name ? -1 : 1)).map(({ name }) => name)
  }

  const claimOf = async (name: string): Promise<Claim> => {
    const path = at('working', `${name}.claim`)
    const found = await jsonIn<Claim>(path)
    if (found !== undefined) return found
    const claimedAt = clock.now().toISOString()
    const claim = { claimedAt, stamp: `${claimedAt.replaceAll(/[:.]/g, '-')}-${crypto.randomUUID().slice(0, 8)}` }
    await writeWhole(path, claim)
    return claim
  }

  /** Puts file and outcome away; done again after a crash in between, it does the rest. */
  const putAway = async (name: string, { stamp }: Claim, to: 'done' | 'failed'): Promise<void> => {
    const outcome = at('working', `${name}.outcome`)
    if (existsSync(outcome)) await rename(outcome, at(to, `${stamp}.${name}.outcome.tsv`))
    await rename(at('working', name), at(to, `${stamp}.${name}`))
    await rm(at('working', `${name}.claim`))
  }

  const refuse = async (name: string, claim: Claim, problem: Failure): Promise<FileReport> => {
    const line = outcomeLine(['', '', 'refused', '', problem.code, problem.field ?? '', problem.detail])
    const outcome = at('working', `${name}.outcome`)
    // What an interrupted import has written down is the only trace of it.
    const before = problem.code === interrupted.code ? await readFile(outcome, 'utf8').catch(() => undefined) : undefined
    await writeFile(outcome, `${before ?? outcomeLine(outcomeHeader)}${line}`)
    await putAway(name, claim, 'failed')
    return { file: name, of: kind.of, outcome: 'refused', placed: 0, refused: 0, lines: 0, problem }
  }

  const repeat = async (name: string, claim: Claim, receipt: Receipt): Promise<FileReport> => {
    const sentence = `This content was imported at ${receipt.at} as ${receipt.file}; its outcome is ${receipt.stamp}.${receipt.file}.outcome.tsv.`
    await writeFile(at('working', `${name}.outcome`), outcomeLine(outcomeHeader) + outcomeLine(['', '', 'repeated', '', '', '', sentence]))
    await putAway(name, claim, 'done')
    return { file: name, of: kind.of, outcome: 'repeated', placed: 0, refused: 0, lines: 0 }
  }

  /** The content as it is when nobody has written to it while it was read: a writer may still have held it open when it was claimed. */
  const inspect = async (path: string, name: string): ReturnType<FileKind['inspect']> => {
    for (;;) {
      const before = await stat(path)
      const inspected = await kind.inspect(path, name).catch((error: unknown) => {
        // One file that we may not read must not stop the others.
        if ((error as { code?: string }).code !== 'EACCES') throw error
        return { ok: false as const, error: unreadable }
      })
      const after = await stat(path)
      if (before.size === after.size && before.mtimeMs === after.mtimeMs) return inspected
      await delay(quietMs, undefined, { signal: stopping.signal })
    }
  }

  /** Imports a claimed file; undefined when it was stopped before its end. */
  const take = async (name: string): Promise<FileReport | undefined> => {
    const path = at('working', name)
    const claim = await claimOf(name)
    const inspected = await inspect(path, name)
    if (!inspected.ok) return refuse(name, claim, inspected.error)
    const { hash } = inspected.value
    const receipt = await jsonIn<Receipt>(at('receipts', `${hash}.json`))
    if (receipt !== undefined && receipt.stamp === claim.stamp) {
      await putAway(name, claim, 'done')
      return { ...reportOf(receipt), outcome: 'imported' }
    }
    // Orders that were refused may be asked for again with the same file, as long as the keys of the others are promised.
    const age = (instant: string): number => clock.now().getTime() - new Date(instant).getTime()
    if (receipt !== undefined && (receipt.refused === 0 || age(receipt.at) > resumeWithinMs)) return repeat(name, claim, receipt)
    if (age(claim.claimedAt) > resumeWithinMs) return refuse(name, claim, interrupted)
    return importInto(name, claim, inspected.value)
  }

  const importInto = async (name: string, claim: Claim, inspected: Whole): Promise<FileReport | undefined> => {
    const outcomes = await open(at('working', `${name}.outcome`), 'w')
    let imported: Imported
    try {
      await outcomes.appendFile(outcomeLine(outcomeHeader))
      const context = { traffic: 'live', rehearsalId: null, actor, traceId: newTraceId() } as const
      imported = await inspected.import({ name, path: at('working', name), runner, context, outcomes, stop: stopping.signal })
      await outcomes.sync()
    } finally {
      await outcomes.close()
    }
    const { complete, ...sums } = imported
    if (!complete) return undefined
    const receipt: Receipt = { file: name, of: kind.of, stamp: claim.stamp, at: clock.now().toISOString(), ...sums }
    await writeWhole(at('receipts', `${inspected.hash}.json`), receipt)
    await putAway(name, claim, 'done')
    return { ...reportOf(receipt), outcome: 'imported' }
  }

  const reported = (report: FileReport): FileReport => {
    observe?.(report)
    const isFine = report.outcome !== 'refused' && report.refused === 0
    log[isFine ? 'info' : 'warn'](report, isFine ? 'a file was taken' : 'a file was taken with refusals; see its outcome file')
    return report
  }

  const look = async (): Promise<FileReport[]> => {
    await prepare()
    // One process imports at a time; what lies in working/ while nobody has the lock was left by one that was killed.
    const lock = tryFolderLock(at('working'))
    if (lock === undefined) return []
    const reports: FileReport[] = []
    try {
      const left = await filesIn(at('working'))
      const names = [...left, ...(await wholeFiles())]
      for (const [index, name] of names.entries()) {
        if (stopping.signal.aborted) break
        if (index >= left.length && !(await claims(at(name), at('working', name)))) continue
        const report = await take(name)
        if (report !== undefined) reports.push(reported(report))
      }
    } finally {
      lock.release()
    }
    return reports
  }

  return {
    look,
    waiting: async () => (await filesIn(at()).catch(() => [])).length,
  }
}

const interrupted: Failure = {
  code: 'hot_folder.interrupted',
  detail:
    'The import was broken off more than a day ago, and the keys of its orders may be gone: look up the orders that have no outcome above, and put the missing ones into a new file.',
}

const unreadable: Failure = { code: 'hot_folder.unreadable', detail: 'The file may not be read by this process.' }

const reportOf = ({ file, of, placed, refused, lines }: Receipt): Omit<FileReport, 'outcome'> => ({ file, of, placed, refused, lines })

/** Moves a file to its place; false when somebody else was faster. */
async function claims(from: string, to: string): Promise<boolean> {
  // A crash may have left these of an earlier file of the same name that was put away.
  for (const ending of ['claim', 'outcome']) await rm(`${to}.${ending}`, { force: true })
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return false
    throw error
  }
}

async function jsonIn<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined
    throw error
  }
}

/** Written beside and renamed, so that nobody ever reads half of it, not even after a power failure. */
async function writeWhole(path: string, value: object): Promise<void> {
  const file = await open(`${path}.tmp`, 'w')
  try {
    await file.writeFile(JSON.stringify(value))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.tmp`, path)
}
