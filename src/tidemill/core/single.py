"""A task that is called alone is a workflow of one node."""

from tidemill.core.definitions import TaskDefinition
from tidemill.core.graph import FORMAT, Graph, NodeOptions, Schema, State, TaskNode, Workflow
from tidemill.core.terms import Ref


def parameters_of(inputs: Schema) -> dict[str, Schema]:
    """The schema of each parameter, complete in itself: shared definitions go with each that may use them."""
    shared = {"$defs": inputs["$defs"]} if "$defs" in inputs else {}
    return {name: {**shared, **schema} for name, schema in inputs.get("properties", {}).items()}


def graph_of(definition: TaskDefinition, options: NodeOptions) -> Workflow:
    """The same definition and options always give the same graph. Its one node is named as the function is."""
    node = definition.name.rpartition(".")[2]
    parameters = parameters_of(definition.inputs)
    required = definition.inputs.get("required", ())
    body = Graph(
        inputs=parameters,
        nodes={
            node: TaskNode(
                task=definition.name,
                inputs={name: Ref(port=name) for name in parameters},
                outputs=definition.outputs,
                schema=definition.digest,
                takes=definition.inputs,
                stream=definition.item is not None,
                options=options,
            )
        },
        outputs={port: Ref(node=node, port=port) for port in definition.outputs},
        types=definition.outputs,
        optional={name: schema.get("default") for name, schema in parameters.items() if name not in required},
    )
    return Workflow(format=FORMAT, name=definition.name, start="", states={"": State(body)})
