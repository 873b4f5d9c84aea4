import { parentPort } from 'node:worker_threads'
import { planZone, type ZonePicture } from './plan-zone.ts'

/** A thread that plans one zone after the other, so that the process goes on answering. */
parentPort?.on('message', (picture: ZonePicture) => {
  try {
    parentPort?.postMessage({ plans: planZone(picture) })
  } catch (error) {
    parentPort?.postMessage({ problem: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})
