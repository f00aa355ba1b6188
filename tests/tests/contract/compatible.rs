//! Whether a component that was compiled against one version of the contract fits another.

use std::collections::BTreeMap;

use wit_parser::{Function, InterfaceId, PackageId, Resolve, Type, TypeDefKind, TypeId};

/// What a component would notice; nothing when the new version only has more.
pub fn broken(old: &Resolve, old_package: PackageId, new: &Resolve, new_package: PackageId) -> Vec<String> {
    let mut broken = Vec::new();
    let new_interfaces = &new.packages[new_package].interfaces;
    for (name, &interface) in &old.packages[old_package].interfaces {
        match new_interfaces.get(name) {
            None => broken.push(format!("the interface {name} is gone")),
            Some(&other) => {
                let (old_items, new_items) = (items(old, interface), items(new, other));
                for (item, shape) in &old_items {
                    match new_items.get(item) {
                        None => broken.push(format!("{name}.{item} is gone")),
                        Some(other) if other != shape => {
                            broken.push(format!("{name}.{item} was {shape} and is {other}"));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
    }
    broken
}

/// Types and functions of an interface, each as text that tells all that a component has compiled in.
fn items(resolve: &Resolve, interface: InterfaceId) -> BTreeMap<String, String> {
    let interface = &resolve.interfaces[interface];
    let types = interface
        .types
        .iter()
        .map(|(name, &id)| (name.clone(), shape(resolve, id)));
    let functions = interface.functions.values();
    types
        .chain(functions.map(|function| (function.name.clone(), signature(resolve, function))))
        .collect()
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let params: Vec<_> = function
        .params
        .iter()
        .map(|param| format!("{}: {}", param.name, name(resolve, &param.ty)))
        .collect();
    let result = function
        .result
        .as_ref()
        .map_or("nothing".to_owned(), |ty| name(resolve, ty));
    format!("func({}) -> {result}", params.join(", "))
}

/// A type as it is used: by its name, where it has one.
fn name(resolve: &Resolve, ty: &Type) -> String {
    match ty {
        Type::Id(id) => match &resolve.types[*id].name {
            Some(name) => name.clone(),
            None => shape(resolve, *id),
        },
        other => format!("{other:?}").to_lowercase(),
    }
}

fn optional(resolve: &Resolve, ty: Option<&Type>) -> String {
    ty.map_or("_".to_owned(), |ty| name(resolve, ty))
}

/// A type as it is made.
fn shape(resolve: &Resolve, id: TypeId) -> String {
    match &resolve.types[id].kind {
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter();
            let fields: Vec<_> = fields
                .map(|field| format!("{}: {}", field.name, name(resolve, &field.ty)))
                .collect();
            format!("record {{ {} }}", fields.join(", "))
        }
        TypeDefKind::Enum(cases) => {
            let cases: Vec<_> = cases.cases.iter().map(|case| case.name.as_str()).collect();
            format!("enum {{ {} }}", cases.join(", "))
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter();
            let cases: Vec<_> = cases
                .map(|case| format!("{}({})", case.name, optional(resolve, case.ty.as_ref())))
                .collect();
            format!("variant {{ {} }}", cases.join(", "))
        }
        TypeDefKind::Tuple(tuple) => {
            let types: Vec<_> = tuple.types.iter().map(|ty| name(resolve, ty)).collect();
            format!("tuple<{}>", types.join(", "))
        }
        TypeDefKind::Option(ty) => format!("option<{}>", name(resolve, ty)),
        TypeDefKind::List(ty) => format!("list<{}>", name(resolve, ty)),
        TypeDefKind::Result(result) => format!(
            "result<{}, {}>",
            optional(resolve, result.ok.as_ref()),
            optional(resolve, result.err.as_ref())
        ),
        TypeDefKind::Type(ty) => name(resolve, ty),
        other => format!("{other:?}"),
    }
}
