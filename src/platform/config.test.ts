import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ConfigError, configReference, describeConfig, readConfig } from '#platform/config.ts'
import { openSecrets } from '#platform/secrets.ts'

describe('configuration', () => {
  test('an empty environment is a usable configuration with the embedded database', () => {
    const config = readConfig({})
    expect(config.databaseUrl).toBeUndefined()
    expect(config.httpPort).toBe(8080)
  })

  test('a wrong value is refused with the name of its variable and what would be right', () => {
    expect(() => readConfig({ HTTP_PORT: 'eighty' })).toThrow('HTTP_PORT is "eighty" but must be a whole number from 0 to 65535')
    expect(() => readConfig({ HTTP_PORT: '65536' })).toThrow('HTTP_PORT')
    expect(() => readConfig({ LIMIT_BURST: '1.5' })).toThrow('LIMIT_BURST')
    expect(() => readConfig({ LOG_LEVEL: 'loud' })).toThrow('one of trace, debug')
    expect(() => readConfig({ DATABASE_URL: 'mysql://x/y' })).toThrow('postgres://')
    expect(() => readConfig({ ROLES: 'http,ftp' })).toThrow('ROLES')
  })

  test('all problems are told at once', () => {
    const problem = problemOf({ HTTP_PORT: 'x', LOG_LEVEL: 'x', THROUGHLINE_HTTP_PROT: '1' })
    expect(problem.split('\n')).toHaveLength(4)
    expect(problem).toContain('THROUGHLINE_HTTP_PROT is not a setting; did you mean THROUGHLINE_HTTP_PORT?')
  })

  test('a secret with a wrong form is not repeated in the error', () => {
    expect(problemOf({ ROLE_SECRET: 'hunter2' })).not.toContain('hunter2')
    expect(problemOf({ DATABASE_URL: 'postgrs://u:hunter2@h/d' })).not.toContain('hunter2')
  })

  test('the variable with our prefix wins over the plain one', () => {
    expect(readConfig({ HTTP_PORT: '1', THROUGHLINE_HTTP_PORT: '2' }).httpPort).toBe(2)
  })

  test('the description masks every secret and names every variable', () => {
    const shown = describeConfig(
      readConfig({
        DATABASE_URL: 'postgres://admin:hunter2@db:5432/shop?sslpassword=hunter3',
        ROLE_SECRET: 'r'.repeat(32),
        SHADOW_SIGNING_KEYS: `k1:${'s'.repeat(32)}`,
      }),
    )
    expect(shown).not.toMatch(/hunter|rrrr|ssss/)
    expect(shown).toContain('db:5432/shop')
    for (const { variable } of configReference()) expect(shown).toContain(variable)
  })
})

describe('secrets', () => {
  test('with the embedded database they are made once, for their owner only', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'throughline-secrets-'))
    try {
      const config = readConfig({ DATA_DIR: dataDir })
      const [first, second] = await Promise.all([openSecrets(config), openSecrets(config)])
      expect(first).toEqual(second)
      expect(first.roleSecret).toHaveLength(64)
      expect((await stat(join(dataDir, 'secrets.json'))).mode & 0o777).toBe(0o600)
    } finally {
      await rm(dataDir, { recursive: true })
    }
  })

  test('with a server of your own they must be given', async () => {
    await expect(openSecrets(readConfig({ DATABASE_URL: 'postgres://a:b@c/d' }))).rejects.toThrow('ROLE_SECRET')
  })

  test('several signing keys keep their order', async () => {
    const config = readConfig({
      DATABASE_URL: 'postgres://a:b@c/d',
      ROLE_SECRET: 'r'.repeat(32),
      SHADOW_SIGNING_KEYS: `new:${'n'.repeat(32)},old:${'o:'.repeat(16)}`,
    })
    expect((await openSecrets(config)).shadowSigningKeys).toEqual([
      { id: 'new', secret: 'n'.repeat(32) },
      { id: 'old', secret: 'o:'.repeat(16) },
    ])
  })
})

function problemOf(env: Record<string, string>): string {
  try {
    readConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  throw new Error('the configuration was accepted')
}
