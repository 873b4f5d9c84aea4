import { expect, test } from 'vitest'
import { describeDatabaseServer } from '#platform/database-server.ts'

const roleSecret = 'a secret of this test that nobody else has'

test('a login has the server of the URL, the database of its traffic and the role of its context', () => {
  const server = describeDatabaseServer({ adminUrl: 'postgres://ad%40min:p%3Aw%2F@db.example:6543/postgres', roleSecret })
  expect(server.admin('live')).toMatchObject({ host: 'db.example', port: 6543, user: 'ad@min', password: 'p:w/', database: 'throughline' })
  const login = server.loginFor('shadow', 'orders')
  expect(login).toMatchObject({ host: 'db.example', port: 6543, user: 'throughline_shadow_orders', database: 'throughline_shadow' })
  expect(login.password).not.toBe('p:w/')
})

test('each role has a password of its own, the same in every process with the same secret', () => {
  const adminUrl = 'postgres://admin@localhost/postgres'
  const [one, same] = [describeDatabaseServer({ adminUrl, roleSecret }), describeDatabaseServer({ adminUrl, roleSecret })]
  const other = describeDatabaseServer({ adminUrl, roleSecret: `${roleSecret}!` })
  expect(one.loginFor('live', 'orders').password).toBe(same.loginFor('live', 'orders').password)
  const passwords = [
    one.loginFor('live', 'orders'),
    one.loginFor('live', 'payments'),
    one.loginFor('shadow', 'orders'),
    other.loginFor('live', 'orders'),
  ]
  expect(new Set(passwords.map(({ password }) => password)).size).toBe(4)
})

test('TLS asked for in the URL is kept, and the shadow database may lie on another server', () => {
  const server = describeDatabaseServer({
    adminUrl: 'postgres://admin:x@live.example/postgres?sslmode=no-verify',
    shadowAdminUrl: 'postgres://admin:x@shadow.example/postgres',
    roleSecret,
  })
  expect(server.loginFor('live', 'orders').ssl).toMatchObject({ rejectUnauthorized: false })
  expect(server.loginFor('shadow', 'orders')).toMatchObject({ host: 'shadow.example' })
})
