// The graph railway.ts describes, in any project and without an account, and what Railway's package finds wrong in it.
import { RAILWAY_GRAPH_VERSION, createRailwayContext, project, validateGraph } from "railway/iac";
import describe from "./railway.js";

const { name, resources } = await describe(createRailwayContext({ environment: "production" }), project);
const environments = [{ name: "production" }];
const graph = { version: RAILWAY_GRAPH_VERSION, project: { name }, environments, resources, edges: [] };
process.stdout.write(JSON.stringify({ graph, wrong: validateGraph(graph) }));
