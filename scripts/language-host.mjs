// A Node language host for a Pulumi CLI that was built from its Go modules, which comes without one. It runs the
// program as the official host does: @pulumi/pulumi/cmd/run in a process of its own.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const engine = process.argv.filter((word) => !word.startsWith('-')).at(-1)
const program = createRequire(join(process.cwd(), '_'))
// gRPC comes with the program's Pulumi SDK.
const require = createRequire(program.resolve('@pulumi/pulumi'))
const grpc = require('@grpc/grpc-js')
const messages = require('@pulumi/pulumi/proto/language_pb')
const services = require('@pulumi/pulumi/proto/language_grpc_pb')
const { PluginInfo } = require('@pulumi/pulumi/proto/plugin_pb')
const { Empty } = require('google-protobuf/google/protobuf/empty_pb')

const answer = (make) => (_call, callback) => callback(null, make())
const bail = 32
// The program's process has another flag of V8 than the provider's, and each would refuse what the other compiled.
const compiled = process.env.NODE_COMPILE_CACHE

function run(call, callback) {
  const request = call.request
  const program = request.getInfo()
  const options = program?.getOptions()?.toJavaScript() ?? {}
  const typescript = options.typescript !== false
  const words = [
    ...(options.nodeargs ? String(options.nodeargs).split(' ') : []),
    require.resolve('@pulumi/pulumi/cmd/run'),
    '--monitor',
    request.getMonitorAddress(),
    '--engine',
    engine,
    '--project',
    request.getProject(),
    '--stack',
    request.getStack(),
    '--pwd',
    request.getPwd(),
    '--root-directory',
    program?.getRootDirectory() ?? request.getPwd(),
    ...(request.getOrganization() ? ['--organization', request.getOrganization()] : []),
    ...(request.getDryrun() ? ['--dry-run'] : []),
    ...(request.getParallel() ? ['--parallel', String(request.getParallel())] : []),
    program?.getEntryPoint() || request.getProgram() || '.',
    ...request.getArgsList(),
  ]
  const child = spawn(process.execPath, words, {
    cwd: request.getPwd(),
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      ...(compiled ? { NODE_COMPILE_CACHE: join(compiled, 'program') } : {}),
      PULUMI_CONFIG: JSON.stringify(
        Object.fromEntries(request.getConfigMap().getEntryList?.() ?? request.getConfigMap().toObject()),
      ),
      PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
      PULUMI_NODEJS_TYPESCRIPT: String(typescript),
    },
  })
  child.once('error', (error) => callback({ code: grpc.status.UNKNOWN, details: error.message }))
  child.once('close', (code, signal) => {
    const response = new messages.RunResponse()
    if (code === bail) response.setBail(true)
    else if (code !== 0) response.setError(`The program ended with ${signal ?? `exit code ${code}`}`)
    callback(null, response)
  })
}

const handlers = {
  run,
  handshake: answer(() => new messages.LanguageHandshakeResponse()),
  getPluginInfo: answer(() => {
    const info = new PluginInfo()
    info.setVersion('3.259.0')
    return info
  }),
  getRequiredPlugins: answer(() => new messages.GetRequiredPluginsResponse()),
  getRequiredPackages: answer(() => new messages.GetRequiredPackagesResponse()),
  runtimeOptionsPrompts: answer(() => new messages.RuntimeOptionsResponse()),
  getProgramDependencies: answer(() => new messages.GetProgramDependenciesResponse()),
  about: answer(() => {
    const about = new messages.AboutResponse()
    about.setExecutable(process.execPath)
    about.setVersion(process.version)
    return about
  }),
  installDependencies: (call) => call.end(),
  cancel: answer(() => new Empty()),
}

const known = new Set(Object.keys(services.LanguageRuntimeService))
const server = new grpc.Server({ 'grpc.max_receive_message_length': 400 * 1024 * 1024 })
server.addService(
  services.LanguageRuntimeService,
  Object.fromEntries(Object.entries(handlers).filter(([name]) => known.has(name))),
)
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error
  process.stdout.write(`${port}\n`)
})
