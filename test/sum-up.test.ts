import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'throughline-sum-up-'))
afterAll(() => rmSync(folder, { recursive: true }))

function sumUp(checks: object[], tests: object, checkCode = 0, testCode = 0): { status: number | null; line: string } {
  writeFileSync(join(folder, 'checks.json'), JSON.stringify({ checks }))
  writeFileSync(join(folder, 'tests.json'), JSON.stringify(tests))
  const script = join(import.meta.dirname, '../scripts/sum-up.mjs')
  const files = [join(folder, 'checks.json'), join(folder, 'tests.json')]
  const result = spawnSync(process.execPath, [script, ...files, String(checkCode), String(testCode)], { encoding: 'utf8' })
  return { status: result.status, line: result.stdout.trim() }
}

const fine = { numPassedTests: 5, numFailedTests: 0, testResults: [] }

test('checks and tests that hold are added up to success', () => {
  expect(sumUp([{ ok: true }], fine)).toEqual({ status: 0, line: '6 passed, 0 failed' })
})

test('a failed check fails the whole although all tests hold', () => {
  expect(sumUp([{ ok: true }, { ok: false }], fine, 1)).toEqual({ status: 1, line: '6 passed, 1 failed' })
})

test('a test file that cannot be loaded counts as a failure', () => {
  const tests = { ...fine, testResults: [{ status: 'failed', assertionResults: [] }] }
  expect(sumUp([{ ok: true }], tests, 0, 1)).toEqual({ status: 1, line: '6 passed, 1 failed' })
})

test('a run that ends badly without naming a failure is not a success', () => {
  expect(sumUp([{ ok: true }], fine, 0, 124)).toEqual({ status: 1, line: '6 passed, 1 failed' })
})
