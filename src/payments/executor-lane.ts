import type { Scope } from '#platform/database.ts'
import type { ChargeToMake, FollowUpToMake, WebhookToApply } from './parts.ts'
import type { AttemptResult, FollowUpRecord, NoticeRecord } from './record-results.ts'

/** One line of work per traffic and rehearsal, so that shadow work never runs inside a live request's context. */
export interface Lane {
  readonly scope: Scope
  readonly charges: { readonly call: ChargeToMake; readonly since: number }[]
  readonly followUps: FollowUpToMake[]
  /** Webhooks whose gateway has to be asked what they are about. */
  readonly unread: WebhookToApply[]
  readonly bindings: number[]
  readonly attemptResults: AttemptResult[]
  readonly followUpResults: FollowUpRecord[]
  readonly notices: NoticeRecord[]
  /** Legs to be asked for again at another gateway. */
  readonly retries: number[]
  readonly held: Set<string>
  out: number
  recording: boolean
  scheduled: boolean
}

export const openLane = (scope: Scope): Lane => ({
  scope,
  charges: [],
  followUps: [],
  unread: [],
  bindings: [],
  attemptResults: [],
  followUpResults: [],
  notices: [],
  retries: [],
  held: new Set(),
  out: 0,
  recording: false,
  scheduled: false,
})

export const hasRecords = (lane: Lane): boolean =>
  lane.attemptResults.length + lane.followUpResults.length + lane.notices.length + lane.retries.length > 0

/** Work of this lane is left to do. */
export const isBusy = (lane: Lane): boolean =>
  lane.out > 0 ||
  lane.recording ||
  hasRecords(lane) ||
  lane.charges.length + lane.followUps.length + lane.unread.length + lane.bindings.length > 0

/** The same for whoever waits for the end: a lane that has been woken may find work. */
export const isWorking = (lane: Lane): boolean => lane.scheduled || isBusy(lane)

/** A webhook that says what happened is one more result; one that does not is asked about first. */
export function addWebhook(lane: Lane, { gateway, eventId, subjectId, notice, request }: WebhookToApply): void {
  const inbox = { gateway, eventId }
  const cause = `webhook ${eventId}`
  if (notice === null) {
    if (request !== null) lane.unread.push({ gateway, eventId, subjectId, notice, request })
    else lane.notices.push({ attemptId: null, amountMinor: 0, won: false, inbox })
  } else if (notice.kind === 'charge') lane.attemptResults.push({ attemptId: subjectId, result: notice.result, cause, inbox })
  else if (notice.kind === 'dispute') lane.notices.push({ attemptId: subjectId, amountMinor: notice.amountMinor, won: notice.won, inbox })
  else lane.followUpResults.push({ followUpId: subjectId, result: notice.result, cause, inbox })
}
