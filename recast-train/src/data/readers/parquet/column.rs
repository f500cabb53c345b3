//! Columns of a table, found by name.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};

use super::parts::Part;
use crate::error::{Error, Result};

/// The digits after the point of a decimal of 128 bits.
const MOST_SCALE: usize = 38;

/// The use of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Id,
    Time,
    Rating,
    Filter,
}

/// A column of one part.
#[derive(Debug)]
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    pub(super) role: Role,
    pub(super) leaf: Leaf<'a>,
}

/// The place of a column's values.
#[derive(Debug)]
pub(super) enum Leaf<'a> {
    /// The file's column of this index.
    Stored { index: usize, descriptor: ColumnDescPtr },
    /// The name of a folder, `column=value`; `None` stands for a missing value.
    OfFolder(&'a Option<String>),
}

/// The type of a column, which is the same in all parts of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Stored {
        physical: Physical,
        logical: Option<LogicalType>,
        converted: ConvertedType,
        list: bool,
    },
    OfFolder,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Stored { physical, logical, converted, list } = self else {
            return f.write_str("the names of folders");
        };
        let list = if *list { "lists of " } else { "" };
        write!(f, "{list}{physical}")?;
        match (logical, converted) {
            (Some(logical), _) => write!(f, " as {logical:?}"),
            (None, ConvertedType::NONE) => Ok(()),
            (None, converted) => write!(f, " as {converted}"),
        }
    }
}

/// The indices of the columns that `name` stands for: itself, or else the elements of a list.
fn indices(schema: &SchemaDescriptor, name: &str) -> Vec<usize> {
    let columns = schema.columns().iter().enumerate();
    let exact = columns.clone().filter(|it| it.1.path().string() == name);
    let exact: Vec<usize> = exact.map(|it| it.0).collect();
    if !exact.is_empty() {
        return exact;
    }
    let is_element = |column: &ColumnDescPtr| {
        let path = column.path().string();
        let within = path.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        within && column.max_rep_level() > 0
    };
    columns.filter(|it| is_element(it.1)).map(|it| it.0).collect()
}

impl<'a> Column<'a> {
    /// Whether a part has the column.
    pub(super) fn exists(part: &Part, schema: &SchemaDescriptor, name: &str) -> bool {
        part.folder_value(name).is_some() || !indices(schema, name).is_empty()
    }

    /// Finds a column by its name.
    ///
    /// # Errors
    ///
    /// If there is none, or several, or the values' type does not suit `role`.
    pub(super) fn find(
        part: &'a Part,
        schema: &SchemaDescriptor,
        name: &'a str,
        role: Role,
    ) -> Result<Self> {
        let path = &part.path;
        let indices = indices(schema, name);
        let index = match (part.folder_value(name), &indices[..]) {
            (Some(value), []) => return Ok(Self { name, role, leaf: Leaf::OfFolder(value) }),
            (None, [index]) => *index,
            (None, []) => return Err(without(part, schema, name, role)),
            (of_folder, indices) => {
                return Err(several(path, schema, name, indices, of_folder.is_some()));
            }
        };
        let descriptor = Arc::clone(&schema.columns()[index]);
        let column = Self { name, role, leaf: Leaf::Stored { index, descriptor } };
        column.check(path)?;
        Ok(column)
    }

    /// Checks that values of the column's type have a use.
    fn check(&self, path: &Path) -> Result<()> {
        let Leaf::Stored { descriptor, .. } = &self.leaf else { return Ok(()) };
        let decimal = descriptor.converted_type() == ConvertedType::DECIMAL;
        let of_list = descriptor.max_rep_level() > 1;
        let readable = match descriptor.physical_type() {
            _ if of_list => false,
            _ if decimal => self.scale().is_some_and(|scale| match self.role {
                Role::Id => scale == 0,
                _ => scale <= MOST_SCALE,
            }),
            Physical::BOOLEAN => self.role == Role::Filter,
            Physical::FIXED_LEN_BYTE_ARRAY => false,
            _ => true,
        };
        if readable {
            return Ok(());
        }
        let list = ["", "lists of ", "lists of lists of "]
            [descriptor.max_rep_level().clamp(0, 2) as usize];
        let decimal = if decimal { " as decimals" } else { "" };
        let kind = descriptor.physical_type();
        Err(Error::file(
            path,
            format!("column '{}' holds {list}{kind}{decimal}", self.name),
            "write it as a string, an integer, a float or a timestamp",
        ))
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(&self.leaf, Leaf::Stored { descriptor, .. } if descriptor.max_rep_level() > 0)
    }

    /// The definition level of a value that is not missing.
    pub(super) fn most(&self) -> i16 {
        match &self.leaf {
            Leaf::Stored { descriptor, .. } => descriptor.max_def_level(),
            Leaf::OfFolder(_) => 0,
        }
    }

    /// The least definition level of an element of a list. One less is a list without elements.
    pub(super) fn within_list(&self) -> i16 {
        match &self.leaf {
            Leaf::Stored { descriptor, .. } => descriptor.repeated_ancestor_def_level(),
            Leaf::OfFolder(_) => 0,
        }
    }

    pub(super) fn of_type(&self) -> Type {
        match &self.leaf {
            Leaf::Stored { descriptor, .. } => Type::Stored {
                physical: descriptor.physical_type(),
                logical: descriptor.logical_type_ref().cloned(),
                converted: descriptor.converted_type(),
                list: self.is_list(),
            },
            Leaf::OfFolder(_) => Type::OfFolder,
        }
    }

    fn converted(&self) -> ConvertedType {
        match &self.leaf {
            Leaf::Stored { descriptor, .. } => descriptor.converted_type(),
            Leaf::OfFolder(_) => ConvertedType::NONE,
        }
    }

    /// Whether integers count from 0.
    pub(super) fn is_unsigned(&self) -> bool {
        use ConvertedType::{UINT_8, UINT_16, UINT_32, UINT_64};
        matches!(self.converted(), UINT_8 | UINT_16 | UINT_32 | UINT_64)
    }

    /// Whether integers are days since 1970.
    pub(super) fn is_date(&self) -> bool {
        self.converted() == ConvertedType::DATE
    }

    /// The digits of a decimal after its point; `None` for values that are no decimals.
    pub(super) fn scale(&self) -> Option<usize> {
        match &self.leaf {
            Leaf::Stored { descriptor, .. } if self.converted() == ConvertedType::DECIMAL => {
                Some(usize::try_from(descriptor.type_scale()).unwrap_or(usize::MAX))
            }
            _ => None,
        }
    }
}

fn without(part: &Part, schema: &SchemaDescriptor, name: &str, role: Role) -> Error {
    let stored = schema.columns().iter().map(|it| format!("'{}'", it.path().string()));
    let of_folders = part.folders.iter().map(|it| format!("'{}'", it.0));
    let found = stored.chain(of_folders).collect::<Vec<_>>().join(", ");
    let hint = match role {
        Role::Time => {
            "set data.columns.timestamp, or data.order = \"rows\" if the rows stand in the order \
             of time"
        }
        _ => "set the columns' names",
    };
    Error::file(&part.path, format!("no column '{name}' among {found}"), hint)
}

/// The error of a name that stands for several columns.
fn several(
    path: &Path,
    schema: &SchemaDescriptor,
    name: &str,
    indices: &[usize],
    of_folder: bool,
) -> Error {
    let mut paths: Vec<String> =
        indices.iter().map(|&index| schema.columns()[index].path().string()).collect();
    paths.dedup();
    if of_folder {
        let problem = format!("column '{name}' stands in the file and in a folder's name");
        return Error::file(path, problem, "leave one of them out");
    }
    if paths.len() < indices.len() {
        let problem = format!("column '{name}' stands {} times", indices.len());
        return Error::file(path, problem, "rename all but one");
    }
    let found = paths.iter().map(|it| format!("'{it}'")).collect::<Vec<_>>().join(", ");
    let problem = format!("column '{name}' holds lists of groups: {found}");
    Error::file(path, problem, "name one of these in full")
}
