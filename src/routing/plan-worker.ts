import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { planZone, type ZonePicture } from './plan-zone.ts'

// On Linux "this process" is the calling thread: who asks something of the server is answered first. Elsewhere it would be the whole process.
if (process.platform === 'linux') setPriority(10)

/** A thread that plans one zone after the other, so that the process goes on answering. */
parentPort?.on('message', (picture: ZonePicture) => {
  try {
    parentPort?.postMessage({ plans: planZone(picture) })
  } catch (error) {
    parentPort?.postMessage({ problem: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})
