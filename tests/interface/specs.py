"""Made-up spec files, as trees."""

from hypothesis import strategies as st

from tidemill.interface.typespec import syntax as s

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
_RESERVED = {"true", "false", "null", "never", "typeof", "valueof"}

names = st.text(_LETTERS, min_size=1, max_size=8).filter(lambda name: name not in _RESERVED)
odd_names = names | st.sampled_from(["model", "op", "enum", "with-dash", "with space", "is"])
texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from(['"', "\\", "\n", "\t", "$", "{"]), max_size=12
)
numbers = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
docs = st.lists(st.text("abc d.", min_size=1).map(str.strip).filter(bool), max_size=3).map("\n".join)
literals = texts | numbers | st.booleans()


def _types(inner: st.SearchStrategy[s.Type]) -> st.SearchStrategy[s.Type]:
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return (
        st.builds(s.ArrayOf, inner)
        | st.builds(s.TupleOf, several)
        | st.builds(s.Either, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(s.Named, names, several)
    )


types = st.recursive(st.builds(s.Named, names) | st.builds(s.Exactly, literals), _types, max_leaves=6)
values = st.recursive(
    st.builds(s.Plain, literals | st.none()) | st.builds(s.Member, names, odd_names),
    lambda inner: (
        st.builds(s.Items, st.lists(inner, max_size=3).map(tuple))
        | st.builds(s.Entries, st.lists(st.tuples(odd_names, inner), max_size=3).map(tuple))
    ),
    max_leaves=5,
)
decorators = st.builds(s.Decorator, names, st.lists(values, max_size=2).map(tuple))
notes = st.builds(s.Notes, docs, st.lists(decorators, max_size=2).map(tuple))
fields = st.builds(s.Field, odd_names, types, st.booleans(), st.none() | values, notes)
members = st.lists(fields | st.builds(s.Spread, st.builds(s.Named, names)), max_size=3).map(tuple)
parameters = st.lists(names, max_size=2).map(tuple)
kinship = st.none() | st.tuples(st.sampled_from(s.Kinship), st.builds(s.Named, names))
operations = st.builds(s.Operation, odd_names, members, types, parameters, notes)
whole = st.none() | texts | st.integers(-100, 100)
declarations = (
    st.builds(s.Model, odd_names, parameters, members, kinship, notes)
    | st.builds(
        s.Enumeration, odd_names, st.lists(st.builds(s.EnumMember, odd_names, whole), max_size=3).map(tuple), notes
    )
    | st.builds(
        s.Union, odd_names, st.lists(st.builds(s.Variant, odd_names | st.just(""), types), max_size=3).map(tuple), notes
    )
    | st.builds(s.Alias, odd_names, types, parameters, notes)
    | st.builds(s.Scalar, odd_names, st.builds(s.Named, names), notes)
    | operations
    | st.builds(s.Interface, odd_names, st.lists(operations, max_size=3).map(tuple), notes)
)
namespaces = st.builds(s.Spec, names, st.lists(declarations, max_size=4).map(tuple), notes)
specs = namespaces | st.builds(s.Spec, st.just(""), st.lists(declarations, max_size=4).map(tuple))

_WORDS = "model interface op enum union alias scalar namespace import using is extends string int32 Stream".split()  # noqa: SIM905
_MARKS = ["...", "#[", "#{", '"a"', "1", "-2.5", "a", "b", "\n", "/** d */", "//", "@portmapping"]
soup = st.lists(st.sampled_from([*_WORDS, *_MARKS, *"{}()[]<>:;,.=|&@?#"]), max_size=40).map(" ".join)
