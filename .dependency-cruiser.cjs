/** Import rules: docs/design/0001-layout.md says why each layer may see only those below it. */
const below = {
  model: [],
  spec: ['model'],
  definitions: ['model', 'spec'],
  jail: ['model', 'spec'],
  shares: ['model', 'spec', 'jail'],
  toolstacks: ['model', 'spec', 'jail'],
  resources: ['model', 'spec', 'jail', 'shares', 'toolstacks'],
  engine: ['model', 'spec', 'jail', 'shares', 'toolstacks', 'resources'],
  executor: ['model', 'spec', 'connect', 'jail', 'shares', 'toolstacks', 'resources', 'engine'],
  connect: ['model'],
  tfplugin: [],
};
const layers = Object.keys(below);
const layerRule = (layer) => ({
  name: `layer-${layer}`,
  comment: `provider/${layer} may import only: ${[layer, ...below[layer]].join(', ')}`,
  severity: 'error',
  from: { path: `^provider/${layer}/` },
  to: {
    path: '^(provider|constructs|examples|test)/',
    pathNot: `^provider/(${[layer, ...below[layer]].join('|')})/`,
  },
});
const only = (name, packagePath, folder) => ({
  name: `only-${name}`,
  comment: `${name} is used only in ${folder}`,
  severity: 'error',
  from: { path: '^(provider|constructs|examples)/', pathNot: `^(${folder})/` },
  to: { path: packagePath },
});
module.exports = {
  forbidden: [
    ...layers.map(layerRule),
    {
      name: 'roots-apart',
      comment: 'terraform and cli are the two composition roots; they never import each other',
      severity: 'error',
      from: { path: '^provider/terraform/' },
      to: { path: '^provider/cli/' },
    },
    {
      name: 'roots-apart-back',
      severity: 'error',
      from: { path: '^provider/cli/' },
      to: { path: '^provider/terraform/' },
    },
    {
      name: 'constructs-see-the-spec',
      comment:
        'constructs import the spec, the model and the files of definitions, and packaging to install the provider at synth; nothing else of it',
      severity: 'error',
      from: { path: '^constructs/' },
      to: { path: '^provider/', pathNot: '^provider/(spec|model|definitions|tfplugin/packaging)/' },
    },
    {
      name: 'no-product-imports-test',
      severity: 'error',
      from: { path: '^(provider|constructs|examples)/' },
      to: { path: '^test/' },
    },
    only('ssh2', 'node_modules/ssh2/', 'provider/connect'),
    only('grpc', 'node_modules/@grpc/', 'provider/tfplugin'),
    only('cdktf', 'node_modules/cdktf/', 'constructs|examples'),
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'not-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(node_modules/(?!ssh2/|@grpc/|cdktf/)|/generated/)' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
