import { expect, test } from 'vitest'
import { openLog } from '#platform/logs.ts'
import { runInContext, systemContext } from '#platform/request-context.ts'

function logged(work: (log: ReturnType<typeof openLog>) => void): Record<string, unknown>[] {
  const lines: string[] = []
  work(openLog('info', { write: (line: string) => void lines.push(line) }))
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}

test('a line inside a request says whose traffic it is', () => {
  const context = systemContext('test', 'shadow', 'r1')
  const [line] = logged((log) => runInContext(context, () => log.info('placed')))
  expect(line).toMatchObject({ traffic: 'shadow', rehearsalId: 'r1', traceId: context.traceId, level: 'info', msg: 'placed' })
})

test('a line outside of any request has the same fields, empty', () => {
  const [line] = logged((log) => log.info('started'))
  expect(line).toMatchObject({ traffic: null, rehearsalId: null, traceId: null })
})

test('a line that names its traffic keeps it', () => {
  const [line] = logged((log) => log.warn({ traffic: 'shadow' }, 'put aside'))
  expect(line).toMatchObject({ traffic: 'shadow' })
})

test('secrets do not reach the log, whether in fields, headers, messages or errors', () => {
  const lines = logged((log) => {
    log.info({ password: 'hunter2', request: { headers: { authorization: 'Bearer hunter2' } }, card: { token: 'hunter2' } }, 'in')
    log.info('connecting to postgres://admin:hunter2@db/shop')
    log.error({ err: new Error('refused: postgres://admin:hunter2@db/shop, Authorization: Bearer hunter2') }, 'failed')
  })
  expect(lines).toHaveLength(3)
  expect(JSON.stringify(lines)).not.toContain('hunter2')
  expect(JSON.stringify(lines)).toContain('postgres://admin:***@db/shop')
})

test('an error of a database says what broke, not the whole client that broke with it', () => {
  const broken = Object.assign(new Error('terminating connection'), { code: '57P01', client: { queryQueue: ['select 1'] } })
  const [line] = logged((log) => log.warn({ err: broken }, 'a database connection broke'))
  expect(line).toMatchObject({ err: { code: '57P01', message: 'terminating connection' } })
  expect(line).not.toHaveProperty('err.client')
})
