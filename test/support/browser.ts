import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A page of a real browser, by its own debugging protocol; it needs no package. */
export interface BrowserPage {
  goto(url: string): Promise<void>
  /** The value of an expression in the page. */
  evaluate<T>(expression: string): Promise<T>
  resize(width: number, height: number, phone: boolean): Promise<void>
  screenshot(path: string): Promise<void>
  /** What the page complained about: errors of scripts and of its content security policy. */
  readonly problems: string[]
  close(): Promise<void>
}

const paths = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Undefined where the machine has no Chromium. `script: false` is a reader who has switched scripts off. */
export async function openBrowser({ script = true } = {}): Promise<BrowserPage | undefined> {
  const program = paths.find((path) => existsSync(path))
  if (program === undefined) {
    // CI must not pass because it could not look.
    if (process.env['CI'] === 'true') throw new Error('chromium is missing: .ci/run installs it')
    return undefined
  }
  const profile = await mkdtemp(join(tmpdir(), 'throughline-browser-'))
  const child = spawn(
    program,
    [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const address = await addressOf(child)
  const targets = (await (await fetch(`http://${new URL(address).host}/json`)).json()) as { type: string; webSocketDebuggerUrl: string }[]
  const socket = new WebSocket(targets.find(({ type }) => type === 'page')?.webSocketDebuggerUrl ?? '')
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true })
    socket.addEventListener('error', reject, { once: true })
  })
  let last = 0
  const waiting = new Map<number, (answer: { result?: unknown; error?: { message: string } }) => void>()
  const problems: string[] = []
  let loaded: (() => void) | undefined
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as {
      id?: number
      method?: string
      params?: Record<string, unknown>
      result?: unknown
      error?: { message: string }
    }
    if (message.id !== undefined) waiting.get(message.id)?.(message)
    if (message.method === 'Page.loadEventFired') loaded?.()
    if (message.method === 'Runtime.exceptionThrown') problems.push(JSON.stringify(message.params))
    if (message.method === 'Log.entryAdded') problems.push(String((message.params?.['entry'] as { text?: string } | undefined)?.text))
  })
  const ask = <T>(method: string, params: object = {}): Promise<T> =>
    new Promise((resolve, reject) => {
      last += 1
      waiting.set(last, ({ result, error }) => (error === undefined ? resolve(result as T) : reject(new Error(error.message))))
      socket.send(JSON.stringify({ id: last, method, params }))
    })
  await Promise.all([
    ask('Page.enable'),
    ask('Runtime.enable'),
    ask('Log.enable'),
    ask('Emulation.setScriptExecutionDisabled', { value: !script }),
  ])
  return {
    problems,
    async goto(url) {
      const done = new Promise<void>((resolve) => (loaded = resolve))
      await ask('Page.navigate', { url })
      await done
    },
    async evaluate<T>(expression: string) {
      const { result } = await ask<{ result: { value: T } }>('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true })
      return result.value
    },
    resize: (width, height, phone) =>
      ask('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: phone ? 2 : 1, mobile: phone }),
    async screenshot(path) {
      const { data } = await ask<{ data: string }>('Page.captureScreenshot', { format: 'png' })
      await writeFile(path, Buffer.from(data, 'base64'))
    },
    async close() {
      socket.close()
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill()
      await ended
      await rm(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Chromium says on standard error where it listens. */
function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8')
      const address = /DevTools listening on (ws:\S+)/.exec(said)?.[1]
      if (address !== undefined) resolve(address)
    })
    child.once('exit', (code) => reject(new Error(`the browser ended with ${code}: ${said.slice(-500)}`)))
  })
}
