import { spawn, spawnSync } from 'node:child_process'

/** A Kafka broker for tests, played by librdkafka inside of kcat: real requests over TCP, topics in memory; undefined where there is no kcat. */
export async function startKafkaServer(): Promise<{ broker: string; stop(): Promise<void> } | undefined> {
  if (spawnSync('kcat', ['-V']).status !== 0) {
    // CI must not pass because it could not look.
    if (process.env['CI'] === 'true') throw new Error('kcat is missing: .ci/run installs it')
    return undefined
  }
  // It reads a topic of nobody, for as long as it lives.
  const child = spawn('kcat', ['-C', '-t', 'nobody', '-b', 'nobody', '-X', 'test.mock.num.brokers=1', '-d', 'mock'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const gone = new Promise<void>((done) => child.once('exit', () => done()))
  let log = ''
  const broker = await new Promise<string>((ready, fail) => {
    child.once('exit', (code) => fail(new Error(`kcat ended with ${code}: ${log.slice(-500)}`)))
    child.stderr.on('data', (chunk: Buffer) => {
      if (log.length > 100_000) return
      log += chunk.toString('latin1')
      const [, address] = /bootstrap\.servers=(127\.0\.0\.1:\d+)/.exec(log) ?? []
      if (address !== undefined) ready(address)
    })
  })
  return {
    broker,
    async stop() {
      child.kill('SIGKILL')
      await gone
    },
  }
}
