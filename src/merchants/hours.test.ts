import { describe, expect, it } from 'vitest'
import { checkHours, dateIn, type Hours, instantIn, openingsOf } from './hours.ts'

const toronto = 'America/Toronto'
const week: Hours = {
  zone: toronto,
  weekly: [1, 2, 3, 4, 5, 6, 7].flatMap((day) => [
    { day, opens: '13:00', closes: '24:00' },
    { day, opens: '01:30', closes: '12:00' },
  ]),
  exceptions: [],
}
const problemOf = (hours: Partial<Hours>) => {
  const outcome = checkHours({ ...week, ...hours })
  return outcome.ok ? undefined : `${outcome.error.code} ${outcome.error.field} ${outcome.error.detail}`
}

describe('hours of a store', () => {
  it('are instants of its own zone, on the days on which clocks change as well', () => {
    const at = (date: string) =>
      openingsOf(week, date, 1).map(({ opensAt, closesAt }) => `${opensAt.toISOString()} ${closesAt.toISOString()}`)
    expect(at('2026-01-15')).toEqual([
      '2026-01-15T06:30:00.000Z 2026-01-15T17:00:00.000Z',
      '2026-01-15T18:00:00.000Z 2026-01-16T05:00:00.000Z',
    ])
    // Clocks go from 02:00 to 03:00 on 8 March and from 02:00 back to 01:00 on 1 November.
    expect(at('2026-03-08')).toEqual([
      '2026-03-08T06:30:00.000Z 2026-03-08T16:00:00.000Z',
      '2026-03-08T17:00:00.000Z 2026-03-09T04:00:00.000Z',
    ])
    expect(at('2026-11-01')).toEqual([
      '2026-11-01T05:30:00.000Z 2026-11-01T17:00:00.000Z',
      '2026-11-01T18:00:00.000Z 2026-11-02T05:00:00.000Z',
    ])
    expect(instantIn(toronto, '2026-03-08', '02:30').toISOString()).toBe('2026-03-08T07:30:00.000Z')
    expect(instantIn('Asia/Kolkata', '2026-03-08', '09:00').toISOString()).toBe('2026-03-08T03:30:00.000Z')
    expect(dateIn(toronto, new Date('2026-03-09T03:59:00Z'))).toBe('2026-03-08')
  })

  it('follow the week, and an exception where its date has one', () => {
    const hours: Hours = {
      zone: 'UTC',
      weekly: [{ day: 1, opens: '09:00', closes: '17:00' }],
      exceptions: [
        { date: '2026-03-09', openings: [] },
        { date: '2026-03-15', openings: [{ opens: '10:00', closes: '11:00' }] },
      ],
    }
    expect(openingsOf(hours, '2026-03-02', 15).map(({ date, opensAt }) => `${date} ${opensAt.toISOString().slice(11, 16)}`)).toEqual([
      '2026-03-02 09:00',
      '2026-03-15 10:00',
      '2026-03-16 09:00',
    ])
  })

  it('give every minute of a year back as the local time that it was made from', () => {
    for (const zone of [toronto, 'Europe/Lisbon', 'Australia/Lord_Howe']) {
      const clock = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' })
      let wrong = 0
      for (let day = 0; day < 365; day += 1) {
        const date = new Date(Date.UTC(2026, 0, 1 + day)).toISOString().slice(0, 10)
        for (const time of ['00:00', '01:15', '02:15', '03:15', '12:00', '23:45'])
          if (clock.format(instantIn(zone, date, time)) !== `${date} ${time}`) wrong += 1
      }
      // Only the skipped hour of spring can not come back.
      expect(wrong, zone).toBe(1)
    }
  })

  it.each([
    [{ zone: 'Mars/Olympus' }, 'merchants.unknown_zone /zone there is no time zone "Mars/Olympus"; one is America/Toronto'],
    [
      { weekly: [{ day: 2, opens: '22:00', closes: '02:00' }] },
      'merchants.bad_hours /weekly day 2: it opens at 22:00 and closes at 02:00; what goes over midnight is two openings',
    ],
    [
      {
        weekly: [
          { day: 2, opens: '10:00', closes: '12:00' },
          { day: 2, opens: '08:00', closes: '10:30' },
        ],
      },
      'merchants.bad_hours /weekly day 2: 08:00 to 10:30 and 10:00 to 12:00 overlap',
    ],
    [{ exceptions: [{ date: '2026-02-30', openings: [] }] }, 'merchants.bad_hours /exceptions/0/date there is no day 2026-02-30'],
    [
      { exceptions: [1, 2].map(() => ({ date: '2026-02-20', openings: [] })) },
      'merchants.bad_hours /exceptions/1/date 2026-02-20 has two exceptions',
    ],
    [{}, undefined],
  ])('are checked: %j', (hours, problem) => {
    expect(problemOf(hours)).toBe(problem)
  })
})
