// Adds up checks and tests for .ci/run: `N passed, M failed`, and an exit code that agrees with it.
import { readFileSync } from 'node:fs'

const [checkFile, testFile, checkCode, testCode] = process.argv.slice(2)
const { checks } = JSON.parse(readFileSync(checkFile, 'utf8'))
const tests = JSON.parse(readFileSync(testFile, 'utf8'))

const passed = checks.filter((check) => check.ok).length + tests.numPassedTests
// A test file that cannot be loaded fails as a suite without any test of its own.
const brokenFiles = (tests.testResults ?? []).filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length
let failed = checks.filter((check) => !check.ok).length + tests.numFailedTests + brokenFiles
// A run that ended badly without naming a failure (a crash, a time-out, an error outside of any test) is one failure all the same.
if (failed === 0 && (checkCode !== '0' || testCode !== '0')) failed = 1

console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
