import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Config, ConfigError } from '#platform/config.ts'

export interface SigningKey {
  readonly id: string
  readonly secret: string
}

export interface Secrets {
  readonly roleSecret: string
  /** The first signs; all are accepted, so that keys can be changed without a gap. */
  readonly shadowSigningKeys: readonly SigningKey[]
}

/**
 * The secrets in use. With the embedded database they are made once, into a file that only its owner reads; with a server
 * of one's own they must be given, since several processes need the same.
 */
export async function openSecrets(config: Config): Promise<Secrets> {
  if (config.databaseUrl === undefined) {
    const kept = await keptSecrets(config.dataDir)
    return secretsOf(config.roleSecret ?? kept.roleSecret, config.shadowSigningKeys ?? kept.shadowSigningKeys)
  }
  const missing = [
    ...(config.roleSecret === undefined ? ['ROLE_SECRET (such as the output of: openssl rand -hex 32)'] : []),
    ...(config.shadowSigningKeys === undefined ? ['SHADOW_SIGNING_KEYS (such as k1: and the output of: openssl rand -hex 32)'] : []),
  ]
  if (config.roleSecret === undefined || config.shadowSigningKeys === undefined) {
    throw new ConfigError(`with DATABASE_URL these must be set, the same for each process: ${missing.join('; ')}`)
  }
  return secretsOf(config.roleSecret, config.shadowSigningKeys)
}

function secretsOf(roleSecret: string, signingKeys: string): Secrets {
  const shadowSigningKeys = signingKeys.split(',').map((key) => {
    const colon = key.indexOf(':')
    return { id: key.slice(0, colon), secret: key.slice(colon + 1) }
  })
  return { roleSecret, shadowSigningKeys }
}

async function keptSecrets(dataDir: string): Promise<{ roleSecret: string; shadowSigningKeys: string }> {
  const file = join(dataDir, 'secrets.json')
  await mkdir(dataDir, { recursive: true })
  const made = { roleSecret: randomBytes(32).toString('hex'), shadowSigningKeys: `k1:${randomBytes(32).toString('hex')}` }
  // Written beside and linked: of two starts at once one wins, and neither reads a file that is half written.
  const half = `${file}.${randomBytes(6).toString('hex')}`
  await writeFile(half, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 })
  await link(half, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await rm(half)
  return JSON.parse(await readFile(file, 'utf8')) as typeof made
}
