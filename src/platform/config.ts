import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'

/**
 * Everything that can be set, in one schema. Each field is read from an environment variable: its own name in capitals
 * (httpPort → HTTP_PORT) unless `variable` says otherwise, or the same with THROUGHLINE_ before it, which wins, so that a
 * DATABASE_URL meant for another program need not be unset. `expects` completes "NAME must be …" in the error.
 */
interface About {
  readonly about: string
  readonly expects: string
  readonly variable?: string
  /** `whole`: never printed; `url`: printed without its password. */
  readonly secret?: 'whole' | 'url'
}

const text = (about: About, pattern = '^.+$') => Type.String({ pattern, ...about })
const number = (about: Omit<About, 'expects'>, minimum: number, maximum: number) =>
  Type.Integer({ minimum, maximum, expects: `a whole number from ${minimum} to ${maximum}`, ...about })
const url = (about: string, schemes: string, secret?: 'url', variable?: string) =>
  Type.String({
    pattern: `^(${schemes})://[^\\s]+$`,
    about,
    expects: `a URL that begins with ${schemes.replaceAll('|', ':// or ')}://`,
    ...(secret === undefined ? {} : { secret }),
    ...(variable === undefined ? {} : { variable }),
  })
const postgresScheme = 'postgres|postgresql'

export const configSchema = Type.Object(
  {
    databaseUrl: Type.Optional(
      url(
        'administrator of a PostgreSQL server of yours; without it the embedded one runs. Its path names the live database',
        postgresScheme,
        'url',
      ),
    ),
    shadowDatabaseUrl: Type.Optional(
      url('administrator of the server of the shadow database, when it is another one', postgresScheme, 'url'),
    ),
    redisUrl: Type.Optional(
      url('Redis for jobs and cache; without it jobs are kept in PostgreSQL and the cache in memory', 'redis|rediss', 'url'),
    ),
    gateways: text(
      {
        about:
          'payment gateways, the first one the standard: sandbox, borealis, meridian and cobalt are sandboxes, inside the process or, with =URL, over HTTP; stripe and mercado_pago are real',
        expects:
          'names, separated by commas, each with =URL where it is somewhere else, such as sandbox,stripe or sandbox=http://127.0.0.1:4010',
      },
      '^(sandbox|borealis|meridian|cobalt|stripe|mercado_pago)(=https?://[^,\\s]+)?(,(sandbox|borealis|meridian|cobalt|stripe|mercado_pago)(=https?://[^,\\s]+)?)*$',
    ),
    stripeSecretKey: Type.Optional(text({ about: 'secret key of the account at Stripe', expects: 'a key', secret: 'whole' })),
    stripeWebhookSecret: Type.Optional(
      text({ about: 'secret of the webhook endpoint at Stripe', expects: 'a secret such as whsec_…', secret: 'whole' }),
    ),
    mercadoPagoAccounts: Type.Optional(
      text(
        {
          about: 'access tokens of the accounts at Mercado Pago; an account takes one currency',
          expects: 'CURRENCY:token, separated by commas, such as BRL:APP_USR-…',
          secret: 'whole',
        },
        '^[A-Z]{3}:[^,:\\s]+(,[A-Z]{3}:[^,:\\s]+)*$',
      ),
    ),
    mercadoPagoWebhookSecret: Type.Optional(
      text({ about: 'secret of the webhooks at Mercado Pago', expects: 'a secret', secret: 'whole' }),
    ),
    paymentReturnUrl: Type.Optional(
      url('where customers are sent back to after 3-D Secure; the order id and the part are added to its query', 'http|https'),
    ),
    commandQueueMost: number({ about: 'commands that may wait in one queue after Prefer: respond-async' }, 1, 10_000_000),
    confirmAfterDays: number({ about: 'days after the last delivery of an order until it counts as confirmed' }, 1, 365),
    acknowledgeWithinMin: number(
      { about: 'minutes that a released waybill may wait for its warehouse or merchant to acknowledge it' },
      1,
      100_000,
    ),
    pickWithinMin: number({ about: 'minutes that an acknowledged waybill may wait until it is picked' }, 1, 100_000),
    webhookTimeoutMs: number({ about: 'longest time that one call to a webhook endpoint of a partner may take' }, 100, 60_000),
    partners: Type.Optional(
      text(
        {
          about: 'partners that messages are exchanged with, without it none; with =sandbox this process plays the partner itself',
          expects: 'some of wms, pss, ods, hybris, track, separated by commas, such as wms,pss=sandbox',
        },
        '^(wms|pss|ods|hybris|track)(=sandbox)?(,(wms|pss|ods|hybris|track)(=sandbox)?)*$',
      ),
    ),
    amqpUrl: Type.Optional(
      url('RabbitMQ that carries messages to and from partners; without it they wait in PostgreSQL', 'amqp|amqps', 'url'),
    ),
    osrmUrl: Type.Optional(
      url(
        'table service with the interface of OSRM, for ways by road in runs of the planner; without it ways are great circles',
        'http|https',
      ),
    ),
    osrmProfile: text({ about: 'profile that the table service is asked for', expects: 'a name such as driving' }, '^[A-Za-z0-9_-]+$'),
    osrmTimeoutMs: number({ about: 'longest time that the table of one cluster may take, all of its calls' }, 100, 60_000),
    osrmPlacesPerCall: number(
      { about: 'most places in one call to the table service; osrm-routed allows 100 unless told otherwise' },
      2,
      10_000,
    ),
    carrierSecrets: Type.Optional(
      text(
        {
          about: 'carriers whose webhooks are taken, each with the token or the key that it proves itself by',
          expects: 'carrier:secret, separated by commas, each secret with at least 16 characters, such as dhl:…,fedex:…',
          secret: 'whole',
        },
        '^(dhl|fedex|correios):[^,\\s]{16,}(,(dhl|fedex|correios):[^,\\s]{16,})*$',
      ),
    ),
    kafkaBrokers: Type.Optional(
      text(
        { about: 'brokers of a Kafka that streams are in; without it they are in PostgreSQL', expects: 'host:port, separated by commas' },
        '^[^,:\\s]+:\\d+(,[^,:\\s]+:\\d+)*$',
      ),
    ),
    trackTopic: text(
      {
        about: 'stream of facts about shipments that tracking reads; a rehearsal has the same with shadow. before it',
        expects: 'a name of a topic',
      },
      '^[A-Za-z0-9._-]{1,200}$',
    ),
    trackStreamKeepDays: number(
      { about: 'days that records of a stream in PostgreSQL are kept at least; then they go once every group has read them' },
      1,
      3650,
    ),
    trackKeepMonths: Type.Optional(
      Type.Integer({
        minimum: 13,
        maximum: 1200,
        about:
          'months of facts of shipments, before this one, that stay in tables; older ones go into the archive folder; without it none does',
        expects:
          'a whole number from 13 to 1200: facts may come a year late, and what is about a month that is put away has to read its file',
      }),
    ),
    hotFolder: Type.Optional(
      text({ about: 'folder that is watched for files of orders (TSV, CSV); without it none is', expects: 'a path of a folder' }),
    ),
    sandboxPgSecret: Type.Optional(
      text(
        { about: 'secret of its webhooks, the same as the gateway has', expects: 'at least 16 characters', secret: 'whole' },
        '^.{16,}$',
      ),
    ),
    gatewayTimeoutMs: number(
      {
        about:
          'longest time that one call to a payment gateway may take; a payment without an answer is settled six times as long after it',
      },
      100,
      60_000,
    ),
    httpHost: text({ about: 'address to listen on', expects: 'a host name or an address' }),
    httpPort: number({ about: 'port to listen on; 0 chooses a free one' }, 0, 65_535),
    publicUrl: Type.Optional(url('how customers reach this server, for links in messages', 'http|https')),
    dataDir: text({ about: 'folder of the embedded database and of generated secrets', expects: 'a path of a folder' }),
    logLevel: Type.Union(
      [
        Type.Literal('trace'),
        Type.Literal('debug'),
        Type.Literal('info'),
        Type.Literal('warn'),
        Type.Literal('error'),
        Type.Literal('fatal'),
        Type.Literal('silent'),
      ],
      { about: 'least level that is logged', expects: 'one of trace, debug, info, warn, error, fatal, silent' },
    ),
    otlpEndpoint: Type.Optional(
      url(
        'OpenTelemetry collector that takes OTLP over HTTP; without it nothing is traced',
        'http|https',
        undefined,
        'OTEL_EXPORTER_OTLP_ENDPOINT',
      ),
    ),
    roleSecret: Type.Optional(
      text(
        { about: 'secret that the passwords of the database roles are derived from', expects: 'at least 32 characters', secret: 'whole' },
        '^.{32,}$',
      ),
    ),
    shadowSigningKeys: Type.Optional(
      text(
        {
          about: 'keys that sign the shadow header; the first signs, all are accepted',
          expects: 'id:secret, separated by commas, each secret with at least 32 characters',
          secret: 'whole',
        },
        '^[A-Za-z0-9_-]+:[^,\\s]{32,}(,[A-Za-z0-9_-]+:[^,\\s]{32,})*$',
      ),
    ),
    roles: text(
      {
        about: 'parts that this process runs; track is all parts of tracking by itself, and nothing else',
        expects: 'some of http,relay,jobs, separated by commas, or track',
      },
      '^(track|(http|relay|jobs)(,(http|relay|jobs))*)$',
    ),
    databasePoolSize: number({ about: 'most connections for each context and traffic' }, 1, 100),
    databaseStatementTimeoutMs: number({ about: 'longest time that one statement may take' }, 100, 600_000),
    limitPerSecond: number(
      { about: 'commands a second for one client and operation, where the operation has no limit of its own' },
      1,
      1_000_000,
    ),
    limitBurst: number({ about: 'commands that a client may send at once after a rest' }, 1, 1_000_000),
    limits: Type.Optional(
      text(
        {
          about: 'rates of single limits, by operation or by the name that several operations share: a second, and at once after a rest',
          expects: 'NAME=PER_SECOND/BURST, separated by commas, such as merchants=2/4',
        },
        '^[a-z_.]+=[1-9]\\d{0,6}/[1-9]\\d{0,6}(,[a-z_.]+=[1-9]\\d{0,6}/[1-9]\\d{0,6})*$',
      ),
    ),
    stopWithinMs: number({ about: 'time for work under way to end when the process is asked to stop' }, 100, 600_000),
  },
  { additionalProperties: false },
)

export type Config = Static<typeof configSchema>
type Field = keyof Config

const defaults = {
  gatewayTimeoutMs: 10_000,
  gateways: 'sandbox,borealis,meridian,cobalt',
  commandQueueMost: 10_000,
  webhookTimeoutMs: 10_000,
  osrmProfile: 'driving',
  osrmTimeoutMs: 10_000,
  osrmPlacesPerCall: 100,
  confirmAfterDays: 14,
  acknowledgeWithinMin: 30,
  pickWithinMin: 120,
  // Loopback: a first start must not open a machine to its network. Containers set 0.0.0.0.
  httpHost: '127.0.0.1',
  httpPort: 8080,
  dataDir: '.throughline',
  logLevel: 'info',
  roles: 'http,relay,jobs',
  trackTopic: 'track.events',
  trackStreamKeepDays: 7,
  databasePoolSize: 6,
  databaseStatementTimeoutMs: 10_000,
  limitPerSecond: 5000,
  limitBurst: 10_000,
  stopWithinMs: 15_000,
} as const satisfies Partial<Config>

/** All that is wrong with the environment, one sentence a variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

const fields = Object.keys(configSchema.properties) as Field[]
const aboutOf = (field: Field): About => configSchema.properties[field] as unknown as About
export const variableOf = (field: Field): string =>
  aboutOf(field).variable ?? field.replaceAll(/[A-Z]/g, (capital) => `_${capital}`).toUpperCase()
const ownPrefix = 'THROUGHLINE_'

/** Reads and validates; throws ConfigError with all problems at once. Takes no secret for granted: see secrets.ts. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const problems = unknownVariables(env)
  const given: Record<string, unknown> = { ...defaults }
  const sources = new Map<string, { variable: string; value: string }>()
  for (const field of fields) {
    const variable = [`${ownPrefix}${variableOf(field)}`, variableOf(field)].find((name) => (env[name] ?? '') !== '')
    if (variable === undefined) continue
    const value = env[variable] ?? ''
    // Only what is a whole number to the eye is one: TypeBox's own conversion would cut 1.5 to 1.
    const schema = configSchema.properties[field]
    given[field] = 'type' in schema && schema.type === 'integer' && /^-?\d+$/.test(value) ? Number(value) : value
    sources.set(field, { variable, value })
  }
  const wrong = new Set(Value.Errors(configSchema, given).map((error) => error.instancePath.slice(1)))
  for (const field of fields) {
    const source = sources.get(field)
    if (source !== undefined && field.endsWith('Url') && !URL.canParse(source.value)) wrong.add(field)
    if (!wrong.has(field) || source === undefined) continue
    const { about, expects, secret } = aboutOf(field)
    const shown = secret === undefined ? `is "${source.value}" but ` : ''
    problems.push(`${source.variable} ${shown}must be ${expects} (${about})`)
  }
  if (problems.length > 0)
    throw new ConfigError(`the configuration is not usable:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
  return Value.Parse(configSchema, given)
}

/** A misspelt setting that is passed over in silence is worse than a start that fails. */
function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set(fields.map((field) => `${ownPrefix}${variableOf(field)}`))
  return Object.keys(env)
    .filter((name) => name.startsWith(ownPrefix) && !known.has(name))
    .map((name) => `${name} is not a setting; did you mean ${nearest(name, [...known])}?`)
}

function nearest(name: string, candidates: readonly string[]): string {
  const pairs = (word: string) => new Set(Array.from({ length: word.length - 1 }, (_, index) => word.slice(index, index + 2)))
  const own = pairs(name)
  const likeness = (candidate: string) => {
    const others = pairs(candidate)
    return [...others].filter((pair) => own.has(pair)).length / (own.size + others.size)
  }
  return candidates.toSorted((a, b) => likeness(b) - likeness(a))[0] ?? ''
}

/** One line a setting, secrets masked; printed at start. */
export function describeConfig(config: Config): string {
  const width = Math.max(...fields.map((field) => variableOf(field).length))
  return fields
    .map((field) => {
      const value = config[field]
      const origin = field in defaults && value === (defaults as Partial<Config>)[field] ? '  (default)' : ''
      return `${variableOf(field).padEnd(width)}  ${value === undefined ? '-' : masked(String(value), aboutOf(field).secret)}${origin}`
    })
    .join('\n')
}

function masked(value: string, secret: About['secret']): string {
  if (secret === 'whole') return '***'
  if (secret === undefined) return value
  const parsed = new URL(value)
  if (parsed.password !== '') parsed.password = '***'
  // Some providers put the password or a key into the query.
  for (const name of parsed.searchParams.keys()) if (/password|secret|key|token/i.test(name)) parsed.searchParams.set(name, '***')
  return parsed.toString()
}

/** Rows for the generated reference of settings. */
export function configReference(): { variable: string; about: string; expects: string; default: string }[] {
  return fields.map((field) => ({
    variable: variableOf(field),
    about: aboutOf(field).about,
    expects: aboutOf(field).expects,
    default: String((defaults as Partial<Config>)[field] ?? ''),
  }))
}
